# SPDX-License-Identifier: Apache-2.0
"""Builds the package in a checkout of inferd: the version and the messages are the project's own.

Needs protoc (Debian: protobuf-compiler).
"""
import pathlib
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = ["inference/grpc_service.proto", "inferd/v1/pipeline.proto", "inferd/v1/deployment.proto",
          "grpc_health/health.proto"]


def project_version():
    found = re.search(r"^project\(inferd VERSION ([0-9.]+)", (PROJECT / "CMakeLists.txt").read_text(), re.MULTILINE)
    return found[1]


class Build(build_py):
    """Adds messages.pb, what protoc says of the .proto files, and _version.py."""

    def run(self):
        super().run()
        package = pathlib.Path(self.build_lib) / "inferd"
        package.mkdir(parents=True, exist_ok=True)
        protoc = shutil.which("protoc")
        if protoc is None:
            raise SystemExit("there is no protoc; install it (Debian: protobuf-compiler)")
        subprocess.run([protoc, f"--proto_path={PROJECT / 'proto'}", "--include_imports",
                        f"--descriptor_set_out={(package / 'messages.pb').resolve()}", *PROTOS], check=True)
        (package / "_version.py").write_text(f'__version__ = "{project_version()}"\n')

    def get_outputs(self, include_bytecode=1):
        package = pathlib.Path(self.build_lib) / "inferd"
        return super().get_outputs(include_bytecode) + [str(package / f) for f in ("messages.pb", "_version.py")]


setup(version=project_version(), cmdclass={"build_py": Build})
