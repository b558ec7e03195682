# SPDX-License-Identifier: Apache-2.0
"""What systemd is to a service: it listens to what the service says (sd_notify(3)), keeps its sockets, hands them over when it
starts it again (sd_listen_fds(3)), and ends it when its watchdog is not fed."""
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from daemon_process import DaemonProcess, wait_until

FIRST_HANDED = 3


def become(steps, handed, command):
    """In a process of its own: moves the descriptors of `handed` to where they belong and becomes `command`."""
    for step in steps:
        step()
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in handed]
    for fd in handed:
        os.close(fd)  # or the daemon would have it twice
    for i, copy in enumerate(copies):
        os.dup2(copy, FIRST_HANDED + i)  # inheritable
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(command[0], command)


class Notifications:
    """What was said, message by message, as it comes; descriptors that came along are kept by name."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.messages, self.store, self.fed = [], {}, None  # by name, an open descriptor; when the watchdog was fed
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, 16)
            if not data:
                return
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            name = message.get("FDNAME")
            if "FDSTORE" in message:
                for fd in fds:
                    self.store[name] = fd
            if "FDSTOREREMOVE" in message:
                os.close(self.store[name])
                del self.store[name]  # who sees that it is gone may count on its being closed
            if "WATCHDOG" in message:
                self.fed = time.monotonic()
            self.messages.append(message)

    def values(self, key):
        return [message[key] for message in list(self.messages) if key in message]

    def wait_for(self, key, value=None, count=1):
        def there():
            return sum(1 for one in self.values(key) if value in (None, one)) >= count
        wait_until(there, f"{key}={value or ''} comes {count} times; there were {self.messages[-20:]}")

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.connect(self._socket.getsockname())
            last.send(b"")
        self._thread.join()
        self._socket.close()
        for fd in self.store.values():
            os.close(fd)


class Service(DaemonProcess):
    """A daemon that is notified, activated and watched as if systemd ran it. `sockets`: {name: socket} of a socket unit."""

    def __init__(self, program, sockets=None, watchdog_us=0):
        super().__init__(program)
        self.systemd = Notifications(self.folder / "notify")
        self.sockets, self.watchdog_us = sockets or {}, watchdog_us
        self.steps = ()  # of the process before it becomes the daemon
        self.environment = {}

    def launch(self, environment=None):
        handed = [(name, s.fileno()) for name, s in self.sockets.items()] + sorted(self.systemd.store.items())
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.folder / "notify"), **self.environment)
        if handed:
            environment.update(LISTEN_FDS=str(len(handed)), LISTEN_FDNAMES=":".join(name for name, _ in handed))
        if self.watchdog_us:
            environment["WATCHDOG_USEC"] = str(self.watchdog_us)
        fds = [fd for _, fd in handed]
        command = [str(self.program), "--config", str(self.config)]
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-B", __file__, ",".join(self.steps), ",".join(map(str, fds)), *command],
                stdout=log, stderr=log, cwd=self.folder, env=environment, pass_fds=fds)

    def begin(self):
        """Until it is ready."""
        before = len(self.systemd.values("READY"))
        self.start(lambda: len(self.systemd.values("READY")) > before)
        return self

    def watch(self):
        """Waits until the watchdog has not been fed for too long, ends the daemon as systemd does, and returns when it ended."""
        wait_until(lambda: time.monotonic() - self.systemd.fed > self.watchdog_us / 1e6, "the watchdog is fed no more", 60)
        self.process.send_signal(signal.SIGABRT)
        return self.process.wait(timeout=60)

    def remove(self):
        self.systemd.close()
        for handed in self.sockets.values():
            handed.close()
        super().remove()


# ---- What the unit does to the process, as far as a process can do it to itself. ----

def call_names(unit):
    """The system calls that a unit's SystemCallFilter= lines leave, groups expanded by systemd itself."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        names = set()
        for name in line.lstrip("~").split():
            names |= expand(name)
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def expand(name):
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= expand(word)
    return found


def restrict():
    """The filters of systemd/inferd.service: system calls, families of sockets, memory that is both written and run."""
    import seccomp
    unit = (pathlib.Path(__file__).parents[2] / "systemd" / "inferd.service.in").read_text()
    no = seccomp.ERRNO(1)  # EPERM
    only = seccomp.SyscallFilter(no)
    for name in sorted(call_names(unit)):
        try:
            only.add_rule(seccomp.ALLOW, name)
        except RuntimeError:
            pass  # of another architecture
    more = seccomp.SyscallFilter(seccomp.ALLOW)
    allowed = re.search(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)[1].split()
    for family in range(64):
        if family not in [getattr(socket, name) for name in allowed]:
            more.add_rule(seccomp.ERRNO(97), "socket", seccomp.Arg(0, seccomp.EQ, family))  # EAFNOSUPPORT
    assert "MemoryDenyWriteExecute=yes" in unit
    more.add_rule(no, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, 6, 6))  # written and run
    more.add_rule(no, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, 4, 4))
    more.load()
    only.load()  # last: loading one more is nothing that a service may


def journal():
    """A journal of its own in the place of the machine's, and stderr as if it were connected to it."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_bind, ms_rec, ms_private = 0x20000, 4096, 16384, 1 << 18
    folder = os.path.abspath("journal").encode()
    done = (libc.unshare(clone_newns) == 0 and libc.mount(b"none", b"/", None, ms_rec | ms_private, None) == 0 and
            libc.mount(b"none", b"/run", b"tmpfs", 0, None) == 0)
    if done:
        os.makedirs("/run/systemd/journal")
        done = libc.mount(folder, b"/run/systemd/journal", None, ms_bind, None) == 0
    if not done:
        print("no mount namespace: " + os.strerror(ctypes.get_errno()), file=sys.stderr)
        sys.exit(77)
    stat = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"


if __name__ == "__main__":
    chosen = [{"restrict": restrict, "journal": journal}[name] for name in sys.argv[1].split(",") if name]
    become(chosen, [int(fd) for fd in sys.argv[2].split(",") if fd], sys.argv[3:])
