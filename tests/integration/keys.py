# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys for tests, made by openssl in a folder that is gone with the tests."""
import pathlib
import shutil
import subprocess
import tempfile


class Keys:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-keys-"))

    def __truediv__(self, name):
        return self.folder / name

    def remove(self):
        shutil.rmtree(self.folder)

    def authority(self, name):
        """NAME.pem and NAME.key: an authority of its own."""
        self.openssl("req", "-x509", *self.fresh(name), "-days", "2", "-out", f"{name}.pem")

    def certificate(self, file, authority, extension="", name=None, days=2):
        """FILE.pem and FILE.key: a certificate for NAME (else FILE) from the authority. Negative days: expired."""
        (self / "ext").write_text(extension)
        self.openssl("req", *self.fresh(file, name), "-out", f"{file}.csr")
        self.openssl("x509", "-req", "-in", f"{file}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                     "-CAcreateserial", "-days", str(days), "-extfile", "ext", "-out", f"{file}.pem")

    def fresh(self, file, name=None):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name or file}",
                "-keyout", f"{file}.key"]

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)
