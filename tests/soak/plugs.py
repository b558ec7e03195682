# SPDX-License-Identifier: Apache-2.0
"""What pipelines hang on, and how it is pulled out and put back: cameras, brokers, servers, disks."""
import contextlib
import http.server
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tty

from daemon_process import free_port, wait_until

HERE = pathlib.Path(__file__).resolve().parent
PATTERN = {"test_pattern": {"fps": 20, "width": 64, "height": 48}}


class Plug:
    """One pipeline and its other side. `watch`: the pipeline as the daemon sees it, by its name. unplug() returns when the
    other side is gone, noticed() when the pipeline has felt it, plug() puts it back, is_back() when there is something new
    from after that."""

    def __init__(self, name, watch, source=None, stages=(), sinks=(), deadline=None):
        self.name, self._watch = name, watch
        self.config = {"name": name, "source": source or PATTERN, "stages": list(stages), "sinks": list(sinks)}
        self._mark = 0

    def status(self):
        return self._watch(self.name)

    def sink(self):
        """The status of its last sink."""
        return self.status().nodes[-1]

    def failures(self):
        return sum(node.failures for node in self.status().graph)

    def unplug(self):
        raise NotImplementedError

    def plug(self):
        raise NotImplementedError

    def noticed(self):
        """That no frame has come for a while."""
        before = self.status().processed
        time.sleep(0.3)
        return self.status().processed == before

    def mark(self):
        self._mark = self.status().processed

    def is_back(self):
        return self.status().processed > self._mark + 3

    def close(self):
        self.unplug()


class FailingSource(Plug):
    """A source that says that it has failed."""

    def unplug(self):
        self._failures = self.failures()
        self.pull()

    def noticed(self):
        return self.failures() > self._failures

    def pull(self):
        raise NotImplementedError

    def close(self):
        self.pull()


class NetworkCamera(FailingSource):
    def __init__(self, watch, program):
        self._program, self._port, self._process = program, free_port(), None
        super().__init__("rtsp", watch, {"rtsp": {"url": f"rtsp://127.0.0.1:{self._port}/jpeg", "timeout_ms": 5000}})

    def pull(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def plug(self):
        self._process = subprocess.Popen([str(self._program), str(self._port)], stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
        self._process.stdout.readline()  # it listens


class PictureFolder(FailingSource):
    def __init__(self, watch, folder, pictures):
        self._folder = folder / "pictures"
        self._folder.mkdir()
        for picture in pictures:
            (self._folder / picture.name).symlink_to(picture)
        super().__init__("images", watch, {"images": {"path": str(self._folder), "fps": 10, "loop": True}})
        self.pull()

    def pull(self):
        self._folder.rename(self._folder.with_suffix(".away"))

    def plug(self):
        self._folder.with_suffix(".away").rename(self._folder)

    def close(self):
        pass


class Writer:
    """Writes lines until it is stopped, as a sensor does."""

    def __init__(self, write):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(write,), daemon=True)
        self._thread.start()

    def _run(self, write):
        while not self._stop.wait(0.02):
            try:
                write(b"0.5,1.5\n")
            except OSError:
                pass  # full, or nobody reads yet

    def stop(self):
        self._stop.set()
        self._thread.join()


class Pipe(Plug):
    def __init__(self, watch, folder):
        self._path = folder / "fifo"
        os.mkfifo(self._path)
        super().__init__("fifo", watch, {"lines": {"path": str(self._path), "columns": ["a", "b"]}})

    def plug(self):
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self._writer = Writer(lambda line: os.write(self._fd, line))

    def unplug(self):
        self._writer.stop()
        os.close(self._fd)


class Datagrams(Plug):
    def __init__(self, watch):
        self._port = free_port()
        super().__init__("lines_udp", watch, {"lines": {"udp": self._port, "columns": ["a", "b"]}})

    def plug(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._writer = Writer(lambda line: self._socket.sendto(line, ("127.0.0.1", self._port)))

    def unplug(self):
        self._writer.stop()
        self._socket.close()


class Scanner(Datagrams):
    """Sends scans of two datagrams each, and goes in the middle of one."""

    def __init__(self, watch):
        self._port, self._scan = free_port(), 0
        Plug.__init__(self, "points", watch, {"points": {"udp": self._port, "columns": ["x", "y", "z"]}})

    def _part(self, part, is_last):
        head = struct.pack("<4s4BIHHQIf", b"IFPT", 1, 0, 3, is_last, self._scan, part, 0, time.time_ns(), 10, 1)
        return head + struct.pack("<30f", *range(30))

    def _send(self, part):
        self._socket.sendto(part, ("127.0.0.1", self._port))

    def _send_scan(self, unused):
        self._scan += 1
        self._send(self._part(0, False))
        self._send(self._part(1, True))

    def plug(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._writer = Writer(self._send_scan)

    def unplug(self):
        self._writer.stop()
        self._scan += 1
        with contextlib.suppress(OSError):  # nobody listens when all is over
            self._send(self._part(0, False))
        self._socket.close()


class Sensors(FailingSource):
    """Another machine with sensors of its kernel, which goes and comes back."""

    def __init__(self, watch):
        self._port = free_port()
        super().__init__("iio", watch, {"iio": {"device": "imu", "context": f"ip:127.0.0.1:{self._port}", "rate": 200,
                                                "rows": 5}})

    def plug(self):
        self._process = subprocess.Popen([sys.executable, str(HERE.parent / "integration" / "iio_server.py"), str(self._port)])

    def pull(self):
        self._process.kill()
        self._process.wait()


class Pusher(Plug):
    """Another program that gives its pictures by shared memory, and is killed in the middle of that."""

    def __init__(self, watch, find_endpoint):
        self._find_endpoint = find_endpoint
        super().__init__("push", watch, {"push": {"name": "soak", "width": 64, "height": 48}})

    def plug(self):
        self._process = subprocess.Popen([sys.executable, str(HERE / "push_frames.py"), self._find_endpoint(), "soak", "64",
                                          "48"], stderr=subprocess.DEVNULL)

    def unplug(self):
        self._process.kill()
        self._process.wait()


class SerialLine(FailingSource):
    """A pseudo terminal, as an adapter that is pulled out and comes back with another number."""

    def __init__(self, watch, folder):
        self._path = folder / "serial"
        super().__init__("serial", watch, {"lines": {"path": str(self._path), "baud": 115200,
                                                   "columns": ["a", "b"]}})

    def plug(self):
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._path.symlink_to(os.ttyname(slave))
        self._slave = slave
        self._writer = Writer(lambda line: os.write(self._master, line))

    def pull(self):
        self._writer.stop()
        self._path.unlink()
        os.close(self._master)
        os.close(self._slave)


class Broker(Plug):
    def __init__(self, watch, folder, program):
        self._port, self._program, self._file = free_port(), program, folder / "broker.conf"
        self._file.write_text(f"listener {self._port} 127.0.0.1\nallow_anonymous true\n")
        super().__init__("mqtt", watch, sinks=[{"mqtt": {"broker": "127.0.0.1", "port": self._port, "topic": "soak"}}])

    def plug(self):
        self._process = subprocess.Popen([self._program, "-c", str(self._file)], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)

    def unplug(self):
        self._process.kill()
        self._process.wait()

    def noticed(self):
        return self.sink().state != "connected"

    def is_back(self):
        """Somebody else hears what the daemon says."""
        if self.sink().state != "connected":
            return False
        heard = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self._port), "-t", "soak", "-C", "1", "-W", "5"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return heard.stdout.startswith(b"{")


class Publisher(FailingSource):
    """A broker with somebody who publishes, which go together."""

    def __init__(self, watch, folder, program):
        self._port, self._program, self._file = free_port(), program, folder / "publisher.conf"
        self._file.write_text(f"listener {self._port} 127.0.0.1\nallow_anonymous true\n")
        super().__init__("mqtt_source", watch, {"mqtt": {"broker": "127.0.0.1", "port": self._port, "topic": "imu",
                                                         "columns": ["a", "b"]}})

    def plug(self):
        self._broker = subprocess.Popen([self._program, "-c", str(self._file)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(self._listens, "the broker listens")
        self._client = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self._port), "-t", "imu", "-l"],
                                        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self._writer = Writer(self._client.stdin.write)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def pull(self):
        self._writer.stop()
        for process in (self._client, self._broker):
            process.kill()
            process.wait()
        self._client.stdin.close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *unused):
        pass


class WebServer(Plug):
    def __init__(self, watch):
        self._port = free_port()
        super().__init__("webhook", watch, sinks=[{"webhook": {
            "url": f"http://127.0.0.1:{self._port}/", "on": "every", "min_interval_ms": 50, "retries": 1, "queue": 4}}])

    def plug(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.heard = 0
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def unplug(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._dropped = self.sink().dropped

    def noticed(self):
        return self.sink().dropped > self._dropped

    def is_back(self):
        return self._server.heard > 2


class Receiver(Plug):
    def __init__(self, watch):
        self._port = free_port()
        super().__init__("udp", watch, sinks=[{"udp": {"address": f"127.0.0.1:{self._port}"}}])

    def plug(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self._port))
        self._socket.settimeout(5)

    def unplug(self):
        self._socket.close()
        self.mark()

    def noticed(self):
        return self.status().processed > self._mark + 2  # it sends to nobody

    def is_back(self):
        try:
            return self._socket.recv(65536).startswith(b"{")
        except socket.timeout:
            return False


class Browsers(Plug):
    """Three that look at pictures and are cut off, one of them without having read anything."""

    def __init__(self, watch):
        self._port = free_port()
        super().__init__("mjpeg", watch, sinks=[{"mjpeg": {"listen": f"127.0.0.1:{self._port}", "fps": 20}}])
        self._clients = []

    def plug(self):
        self._clients = [self._connect() for _ in range(3)]

    def _connect(self):
        for _ in range(200):
            try:
                client = socket.create_connection(("127.0.0.1", self._port), 5)
                client.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: a\r\n\r\n")
                return client
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nobody listens")

    def unplug(self):
        for client in self._clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

    def noticed(self):
        return True

    def is_back(self):
        """The first two see pictures; who came before the others were missed was told to come later, and does."""
        seen = [b"\xff\xd8" in self._read(client) for client in self._clients[:2]]
        for i, sees in enumerate(seen):
            if not sees:
                self._clients[i].close()
                self._clients[i] = self._connect()
        return all(seen)

    @staticmethod
    def _read(client):
        seen = b""
        with contextlib.suppress(OSError):
            while b"\xff\xd8" not in seen and len(seen) < 100_000:
                part = client.recv(65536)
                seen += part
                if not part or b" 503 " in seen:
                    break
        return seen


class Disk(Plug):
    """A file system that gets full, and free again."""

    def __init__(self, watch, folder, brightness):
        self._disk = folder / "disk"
        self._disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(self._disk)], check=True)
        rotates = {"max_bytes": 20_000, "keep": 1}
        self._files = [self._disk / name for name in ("a.jpg", "a.jsonl", "a.csv")]
        super().__init__("disk", watch, stages=[{"custom": {"library": str(brightness)}}], sinks=[
            {"annotated": {"path": str(self._files[0])}}, {"jsonl": {"path": str(self._files[1]), **rotates}},
            {"csv": {"path": str(self._files[2]), "rows": "values", **rotates}}])

    def plug(self):
        (self._disk / "filler").unlink(missing_ok=True)
        self._before = self._written()

    def unplug(self):
        with open(self._disk / "filler", "ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def _written(self):
        """The last line of each text, and which picture there is."""
        lines, picture = [], None
        for file in self._files[1:]:
            text = file.read_text() if file.exists() else ""
            lines.append(text[: text.rfind("\n")].rpartition("\n")[2])
        with contextlib.suppress(FileNotFoundError):
            picture = self._files[0].stat().st_ino
        return [*lines, picture]

    def noticed(self):
        self.unplug()  # takes what a rotated file gave back
        before = self._written()
        time.sleep(0.3)
        return before == self._written()

    def is_back(self):
        return all(now not in ("", None, then) for now, then in zip(self._written(), self._before))

    def close(self):
        subprocess.run(["umount", "-l", str(self._disk)], check=True)


class Archive(Disk):
    """The same with files that are kept: clips and captured frames, which count when they are whole."""

    def __init__(self, watch, folder):
        self._disk = folder / "archive"
        self._disk.mkdir()
        # Larger than both may get, so that what they remove themselves makes no room.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(self._disk)], check=True)
        for name in ("clips", "frames"):
            (self._disk / name).mkdir()
        Plug.__init__(self, "archive", watch, sinks=[
            {"record": {"path": str(self._disk / "clips"), "max_bytes": 1_000_000, "on": "every", "max_clip_s": 1, "before_s": 0}},
            {"capture": {"path": str(self._disk / "frames"), "max_bytes": 1_000_000, "every": 1, "min_interval_ms": 100}}])

    def _written(self):
        """The newest of each kind."""
        return [max((path.name for path in self._disk.glob(kind)), default=None) for kind in ("clips/*.mkv", "frames/*.jpg")]

    def noticed(self):
        """That there is nothing new for longer than a clip takes."""
        before = self._written()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            self.unplug()  # takes what they gave back
            time.sleep(0.05)
        return before == self._written()


class Library(Plug):
    """A stage in a process of its own, which is killed."""

    def __init__(self, watch, brightness, find_host):
        self._find_host = find_host
        super().__init__("library", watch, stages=[{"custom": {"library": str(brightness), "process": "own"}}])

    def plug(self):
        pass

    def unplug(self):
        self._failed = self.status().failed
        for pid in self._find_host():
            os.kill(pid, signal.SIGKILL)

    def noticed(self):
        return self.status().failed > self._failed

    def close(self):
        pass


def hosts_of(pid):
    """Processes of libraries that a daemon has started."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue  # it has ended
        if int(rest.rsplit(") ", 1)[1].split()[1]) == pid:
            found.append(int(number))
    return found
