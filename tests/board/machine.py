# SPDX-License-Identifier: Apache-2.0
"""An emulated arm64 board: qemu with the disk that image.sh has made. What is written to it is gone with the object."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
from daemon_process import free_port  # noqa: E402

PATIENCE_S = 240  # for what must come: nothing is fast under emulation


def wait_until(condition, what, patience_s=PATIENCE_S, pause_s=1):
    """The first true value of condition()."""
    end = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come in {patience_s} s")
        time.sleep(pause_s)


class Board:
    """A Cortex-A72 with two cores and 1 GB. `ports`: of the board, which this machine reaches at forwarded(port)."""

    def __init__(self, image, ports=()):
        self.image = pathlib.Path(image)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-board-"))
        self.disk = self.folder / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image / "disk.img", "-F", "raw", self.disk],
                       check=True)
        self._forwarded = {port: free_port() for port in (22, *ports)}
        self._qemu = None
        self._boots = 0

    def forwarded(self, port):
        return self._forwarded[port]

    def boot(self):
        """Until somebody can log in."""
        self._boots += 1
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in self._forwarded.items())
        self._qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
             "-accel", "tcg,thread=multi", "-display", "none", "-serial", f"file:{self.console}", "-no-reboot",
             "-kernel", self.image / "vmlinuz", "-initrd", self.image / "initrd.img",
             "-append", "root=/dev/vda rw console=ttyAMA0",
             "-drive", f"if=none,file={self.disk},format=qcow2,id=disk", "-device", "virtio-blk-device,drive=disk",
             "-netdev", f"user,id=net{forwards}", "-device", "virtio-net-device,netdev=net",
             "-device", "virtio-rng-device"],
            stdin=subprocess.DEVNULL)
        wait_until(self._answers, "the board's ssh")

    @property
    def console(self):
        return self.folder / f"console-{self._boots}.log"

    def _answers(self):
        if self._qemu.poll() is not None:
            raise RuntimeError(f"qemu ended; the board's last words are in {self.console}")
        return subprocess.run([*self._ssh(), "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

    def _options(self):
        # One connection for all commands: making one takes seconds.
        return ["-q", "-i", self.image / "key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "ConnectTimeout=20", "-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/ssh",
                "-o", "ControlPersist=600", "-o", "ServerAliveInterval=30"]

    def _ssh(self):
        return ["ssh", *self._options(), "-p", str(self._forwarded[22]), "root@127.0.0.1"]

    def run(self, command, check=True, input=None):
        """What the command prints, without the last line's end."""
        done = subprocess.run([*self._ssh(), command], input=input, text=True, capture_output=True,
                              stdin=None if input is not None else subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise RuntimeError(f"on the board, exit {done.returncode}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout.rstrip("\n")

    def status(self, command):
        return subprocess.run([*self._ssh(), command], stdin=subprocess.DEVNULL, capture_output=True).returncode

    def copy(self, *files, to):
        subprocess.run(["scp", *self._options(), "-P", str(self._forwarded[22]), *files, f"root@127.0.0.1:{to}"], check=True)

    def power_cut(self):
        """Like pulling the plug: what the kernel had not written is lost."""
        subprocess.run([*self._ssh()[:-1], "-O", "exit", "root@127.0.0.1"], capture_output=True)
        self._qemu.kill()
        self._qemu.wait()

    def power_off(self):
        self.run("systemctl poweroff", check=False)
        subprocess.run([*self._ssh()[:-1], "-O", "exit", "root@127.0.0.1"], capture_output=True)
        self._qemu.wait(timeout=PATIENCE_S)

    def remove(self):
        if self._qemu and self._qemu.poll() is None:
            self.power_cut()
        shutil.rmtree(self.folder, ignore_errors=True)
