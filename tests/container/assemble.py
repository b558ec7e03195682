#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the file system of the image: what the last stage of docker/Dockerfile says, done to a Debian 12 without documentation
(base.sh), with a package that is there already. Needs root."""
import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile

import dockerfile

HERE = pathlib.Path(__file__).resolve().parent
DOCKERFILE = HERE.parents[1] / "docker/Dockerfile"
# Packages that apt has fetched once stay in a folder of the test, beside the root; its index of them does not, as in Debian's
# images.
KEPT = "etc/apt/apt.conf.d/99container-test"

# A RUN, in a mount namespace that goes with it. What a container engine brings is there: /proc, /dev, names of hosts.
RUN = """
set -eu
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for file in /etc/resolv.conf /etc/hosts; do
  touch "$root$file"
  mount --bind "$file" "$root$file"
done
mount --bind "$archives" "$root/mnt"
for pair in $mounts; do
  mkdir -p "$root${pair%%=*}"
  mount --bind "${pair#*=}" "$root${pair%%=*}"
done
exec chroot "$root" /bin/sh -c "$command"
"""


def run(root, archives, command, mounts, environment):
    words = " ".join(f"{target}={source}" for target, source in mounts.items())
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                 "DEBIAN_FRONTEND": "noninteractive", **environment, "root": str(root), "archives": str(archives),
                 "mounts": words, "command": command}
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", RUN], env=variables,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"RUN {command}\n{done.stdout}\nended with {done.returncode}")
    for target in mounts:
        (root / target.lstrip("/")).rmdir()


def assemble(base, package, root):
    """Fills the folder `root`; what stood there goes."""
    stage = dockerfile.read(DOCKERFILE)[-1]
    if stage.all("COPY"):
        raise ValueError(f"{DOCKERFILE}: this test does not know COPY in the last stage")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-f", base, "-C", root, "--exclude=./dev/*", "--numeric-owner"], check=True)
    archives = root.parent / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    (root / KEPT).write_text('Dir::Cache { Archives "/mnt"; pkgcache ""; srcpkgcache ""; };\n'
                             'APT::Keep-Downloaded-Packages "true";\nAPT::Sandbox::User "root";\n')
    with tempfile.TemporaryDirectory() as folder:
        # What the stage before would have left.
        shutil.copyfile(package, pathlib.Path(folder) / "inferd.deb")
        for command, mounts in stage.run_lines():
            for source in mounts.values():
                if source != "/packages":
                    raise ValueError(f"{DOCKERFILE}: the last stage mounts {source}, which this test does not make")
            run(root, archives, command, {target: folder for target in mounts}, stage.environment())
    (root / KEPT).unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="the archive that base.sh has made")
    parser.add_argument("--package", required=True, help="inferd's package")
    parser.add_argument("root", type=pathlib.Path, help="the folder to fill")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this needs root")
    assemble(arguments.base, arguments.package, arguments.root.resolve())


if __name__ == "__main__":
    main()
