#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What inferctl shows on a terminal: `top` and previews, on a pseudo terminal that pyte draws. A real daemon."""
import argparse
import base64
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import unittest
import urllib.request
import zlib

try:
    import pyte
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-pyte")
    sys.exit(77)

from daemon_process import DaemonProcess, free_port, wait_until

ARGS = None
RIGHT, ENTER, ESCAPE = "\x1bOC", "\r", "\x1b"  # as programs ask a terminal for keys


def png(rows):
    """Of rows of (red, green, blue)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    lines = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


RED, BLUE = (200, 20, 30), (10, 40, 220)
FLAG = [[RED] * 160 + [BLUE] * 160 for _ in range(240)]


class Daemon(DaemonProcess):
    def __init__(self):
        super().__init__(ARGS.inferd)
        for name in ("alpha", "beta"):
            self.add_model(name, {"backend": "identity", "inputs": [{"shape": [-1, 2]}]})
        (self.folder / "flag.png").write_bytes(png(FLAG))
        self.http = f"127.0.0.1:{free_port()}"
        self.configure(f"server: {{grpc: ['unix:grpc.sock'], http: ['{self.http}'], local: [{{path: local.sock}}]}}\n"
                       "models: {root: models}\npipelines:\n"
                       "  - {name: flag, source: {images: {path: flag.png, fps: 20, loop: true}}}\n"
                       "  - {name: idle, autostart: false, source: {test_pattern: {}}}\n")
        self.start(lambda: "serving on unix:" in self.text())
        self.endpoint = f"unix:{self.folder}/grpc.sock"

    def ctl(self, *arguments):
        return subprocess.run([str(ARGS.inferctl), "--endpoint", self.endpoint, *map(str, arguments)], capture_output=True,
                              text=True, timeout=120)


class Screen:
    """inferctl on a terminal of its own."""

    def __init__(self, *arguments, columns=120, rows=30, answer=None, **environment):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""  # everything that came
        self.answer = answer  # what the terminal says when it is asked what it is
        self.ended = False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            names = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"], **environment}
            os.execve(ARGS.inferctl, [str(ARGS.inferctl), *map(str, arguments)], names)
        self.resize(columns, rows)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, columns * 10, rows * 20))
        self.screen.resize(rows, columns)

    def read(self, seconds=0.02):
        """What comes until then."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            came = os.read(self.fd, 1 << 16)
        except OSError:
            came = b""
        if not came:
            self.ended = True
            return
        self.bytes += came
        if self.answer and b"\x1b[c" in came:
            os.write(self.fd, self.answer)
        # pyte draws the strings of graphics as text; they are looked at in `bytes`.
        self.stream.feed(re.sub(rb"\x1b[P_][^\x1b]*(\x1b\\)?", b"", came))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def line(self, begin):
        """Number of the first line that begins so; -1: none does."""
        return next((i for i, line in enumerate(self.screen.display) if line.startswith(begin)), -1)

    def until(self, condition, what):
        def check():
            self.read()
            return condition()
        try:
            wait_until(check, what, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def shows(self, text):
        self.until(lambda: text in self.text(), f"the screen shows '{text}'")

    def wait(self):
        """Its exit status."""
        def has_ended():
            self.read()
            return self.ended
        wait_until(has_ended, "inferctl ends")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.wait()


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        assert code == 0, code


class Top(WithDaemon):
    def top(self, *arguments, **options):
        return Screen("--endpoint", self.daemon.endpoint, "top", "--interval", "0.2", *arguments, **options)

    def load(self, model):
        loaded = self.daemon.ctl("load", model, "--concurrency", 1, "--duration", 1, "--json")
        self.assertEqual(loaded.returncode, 0, loaded.stderr)

    def test_tables_are_shown_sorted_filtered_and_opened(self):
        self.load("beta")
        top = self.top()
        top.shows("MODEL")
        top.until(lambda: top.line("alpha") < top.line("beta"), "by name")
        for _ in range(9):  # by the last column, requests: the most first
            top.press("s")
        top.until(lambda: 0 < top.line("beta") < top.line("alpha"), "by requests")
        self.assertIn("by REQUESTS", top.text())
        top.press("r")
        top.until(lambda: 0 < top.line("alpha") < top.line("beta"), "the other way")
        top.press("/BET")
        top.shows("filter: BET_")
        top.until(lambda: top.line("alpha") == -1 and top.line("beta") > 0, "only one is left")
        top.press(ENTER)  # the filter is kept
        top.until(lambda: "enter details" in top.text(), "keys are commands again")
        top.press(ENTER)
        top.shows("> beta/1")
        top.shows("answered, 0 failed")
        top.press(ESCAPE)
        top.until(lambda: top.line("MODEL") > 0, "back")
        top.press(ESCAPE)
        top.until(lambda: top.line("alpha") > 0, "no filter")
        top.press("2")
        top.until(lambda: top.line("flag") > 0 and "running" in top.text(), "pipelines")
        top.press(RIGHT)
        top.until(lambda: top.line("CLIENT") > 0 and "grpc" in top.text(), "clients: the load was one")
        top.press(RIGHT)
        top.until(lambda: top.line("HOST") > 0 and "memory left" in top.text(), "the host")
        top.press("?")
        top.shows("look more often, less often")
        top.press("?q")
        self.assertEqual(top.wait(), 0)
        self.assertTrue(top.bytes.rstrip().endswith(b"\x1b[?1l\x1b>") or b"\x1b[?1049l" in top.bytes, "the terminal is as it was")

    def test_it_follows_the_terminals_size_and_sends_what_changes(self):
        top = self.top("--view", "pipelines")
        top.shows("TROUBLE")
        top.resize(60, 8)
        top.until(lambda: top.line("PIPELINE") >= 0 and "q quit" in top.screen.display[7], "8 lines")
        top.resize(200, 50)
        top.until(lambda: "q quit" in top.screen.display[49] and "TROUBLE" in top.text(), "50 lines")
        whole = len(top.bytes)
        for _ in range(30):
            top.read(0.1)
        # Some fifteen rounds, of which each drawn anew would be 10,000 characters.
        self.assertLess(len(top.bytes) - whole, 15_000)
        top.press("q")
        self.assertEqual(top.wait(), 0)

    def test_a_daemon_that_goes_and_comes_back(self):
        daemon = Daemon()
        top = Screen("--endpoint", daemon.endpoint, "top", "--interval", "0.1")
        try:
            top.shows("alpha")
            daemon.kill()
            top.shows("no daemon answers")
            self.assertGreater(top.line("alpha"), 0, "what was known stays")
            daemon.start(lambda: daemon.text().count("serving on unix:") == 2)
            top.until(lambda: "no daemon answers" not in top.text() and "ready" in top.text(), "it is there again")
        finally:
            top.kill()
            daemon.stop()

    def test_colours_are_left_out_where_nobody_wants_them(self):
        for environment in ({"NO_COLOR": "1"}, {"TERM": "vt100"}):
            top = self.top(**environment)
            top.shows("READY")
            self.assertNotRegex(top.bytes, rb"\x1b\[[0-9;]*3[0-7]m")
            top.press("q")
            self.assertEqual(top.wait(), 0)
        top = self.top()
        top.until(lambda: re.search(rb"\x1b\[[0-9;]*3[0-7]m", top.bytes), "there are colours else")
        top.kill()

    def test_keys_that_come_together(self):
        top = self.top("--view", "pipelines")
        top.until(lambda: 0 < top.line("flag") < top.line("idle"), "pipelines")
        top.press("j" + ENTER)
        top.shows("> idle")
        top.press("-----")
        top.shows("every 6.4 s")
        top.press("q")
        self.assertEqual(top.wait(), 0)

    def test_a_terminal_without_places_is_refused(self):
        top = self.top(TERM="dumb")
        self.assertEqual(top.wait(), 1)
        self.assertIn("TERM", top.text())
        self.assertIn("--once", top.text())

    def test_once_prints_tables(self):
        once = self.daemon.ctl("top", "--once", "--interval", "0.2", "--view", "models", "--sort", "requests", "--filter", "alp")
        self.assertEqual(once.returncode, 0, once.stderr)
        self.assertIn("alpha", once.stdout)
        self.assertNotIn("beta", once.stdout)
        self.assertNotIn("\x1b", once.stdout)
        filtered = self.daemon.ctl("top", "--once", "--interval", "0.2", "--filter", "flag").stdout
        self.assertRegex(filtered, re.compile("^flag ", re.M))
        self.assertNotRegex(filtered, "alpha|idle")
        every = self.daemon.ctl("top", "--json", "--interval", "0.2")
        json_of = json.loads(every.stdout)
        self.assertEqual(set(json_of) - {"name", "version", "ready", "seconds"}, {"models", "pipelines", "clients", "host"})
        self.assertEqual({m["model"] for m in json_of["models"]}, {"alpha", "beta"})
        refused = self.daemon.ctl("top", "--once", "--sort", "size")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("requests_per_s", refused.stderr)

    def test_clients_are_counted_over_every_protocol(self):
        body = json.dumps({"inputs": [{"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()
        for _ in range(3):
            request = urllib.request.Request(f"http://{self.daemon.http}/v2/models/beta/infer", body, {"inferd-client": "door"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.assertEqual(answer.status, 200)
        sent = {}
        for protocol, endpoint in (("grpc", self.daemon.endpoint), ("local", f"local:{self.daemon.folder}/local.sock")):
            load = subprocess.Popen([str(ARGS.inferctl), "--endpoint", endpoint, "load", "beta", "--duration", "0.3", "--json"],
                                    stdout=subprocess.PIPE, text=True)
            sent[protocol] = load.pid, json.loads(load.communicate(timeout=60)[0])["sent"]
        top = self.daemon.ctl("top", "--json", "--view", "clients", "--interval", "0.2")
        clients = json.loads(top.stdout)["clients"]
        for protocol, (pid, requests) in sent.items():
            row, = (c for c in clients if c["client"].endswith(f" process:{pid}"))
            self.assertEqual((row["protocol"], row["failed"], row["on_their_way"]), (protocol, 0, 0))
            self.assertEqual(row["requests"], requests + 1, "and one before it measures")
        row, = (c for c in clients if c["protocol"] == "http")
        self.assertEqual((row["client"], row["requests"]), ("door 127.0.0.1", 3))

    def test_nobody_is_there(self):
        top = Screen("--endpoint", "unix:/nowhere/at.all", "top")
        self.assertEqual(top.wait(), 3)
        self.assertIn("no daemon answers", top.text())


def unfiltered(data, width):
    """Rows of RGB of a PNG's unpacked data (PNG specification, 9.2)."""
    rows, before = [], bytearray(3 * width)
    for begin in range(0, len(data), 3 * width + 1):
        kind, row = data[begin], bytearray(data[begin + 1:begin + 1 + 3 * width])
        for i in range(len(row)):
            left, up, corner = (row[i - 3], before[i], before[i - 3]) if i >= 3 else (0, before[i], 0)
            nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
        rows.append([tuple(row[i:i + 3]) for i in range(0, len(row), 3)])
        before = row
    return rows


def pixels(path):
    """Of a PNG of 8 bits, RGB or a palette."""
    bytes_, data, palette, at = path.read_bytes(), b"", None, 8
    while at < len(bytes_):
        size, kind = struct.unpack(">I4s", bytes_[at:at + 8])
        content = bytes_[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", content[:10])
            assert depth == 8 and colour in (2, 3), (depth, colour)
        palette = content if kind == b"PLTE" else palette
        data += content if kind == b"IDAT" else b""
        at += size + 12
    data = zlib.decompress(data)
    if colour == 2:
        return unfiltered(data, width)
    rows = []
    for begin in range(0, len(data), width + 1):
        assert data[begin] == 0, "palettes are not filtered"
        rows.append([tuple(palette[3 * i:3 * i + 3]) for i in data[begin + 1:begin + 1 + width]])
    return rows


class Preview(WithDaemon):
    def preview(self, *arguments, **options):
        return Screen("--endpoint", self.daemon.endpoint, "pipeline", "watch", "flag", "--preview", *arguments, **options)

    def assert_near(self, colour, wanted, tolerance):
        self.assertTrue(all(abs(a - b) <= tolerance for a, b in zip(colour, wanted)), (colour, wanted))

    def test_half_blocks_have_the_pictures_colours(self):
        preview = self.preview("--graphics", "blocks", columns=40, rows=31, COLORTERM="truecolor")
        preview.shows("320x240")
        def colours(x, y):
            cell = preview.screen.buffer[y][x]
            return [tuple(int(c[i:i + 2], 16) for i in (0, 2, 4)) for c in (cell.fg, cell.bg)]
        self.assertEqual(preview.screen.buffer[3][3].data, "\u2580")
        # A JPEG is in between.
        for x, y in ((2, 0), (17, 7), (10, 13)):
            for colour in colours(x, y):
                self.assert_near(colour, RED, 12)
        for x, y in ((22, 0), (37, 13)):
            for colour in colours(x, y):
                self.assert_near(colour, BLUE, 12)
        self.assertEqual(preview.screen.buffer[20][3].data, " ", "40x30 pixels are 15 lines")
        self.assertIn("320x240", preview.screen.display[30])
        preview.resize(20, 12)
        preview.until(lambda: preview.screen.buffer[3][12].data == "\u2580" and colours(12, 3)[0][2] > 200, "20 columns: blue")
        preview.press("q")
        self.assertEqual(preview.wait(), 0)
        self.assertTrue(preview.bytes.endswith(b"\x1b[?1049l") or b"\x1b[?1049l" in preview.bytes[-40:])

    def test_boxes_and_labels_are_drawn(self):
        files = {name: ARGS.models / name for name in ("tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "images/pets.jpg",
                                                       "labels/coco_ssd_mobilenet_labels.txt")}
        for name, path in files.items():
            if not path.exists():
                self.skipTest(f"SKIPPED: no {name}")
        model, picture, labels = files.values()
        with DaemonProcess(ARGS.inferd) as daemon:
            daemon.add_model("detector", model)
            daemon.configure("server: {grpc: ['unix:grpc.sock']}\nmodels: {root: models}\npipelines:\n"
                             f"  - name: pets\n    source: {{images: {{path: '{picture}', fps: 5, loop: true}}}}\n"
                             "    stages:\n      - resize\n      - infer: {model: detector}\n"
                             f"      - decode_detections: {{min_score: 0.4}}\n      - labels: {{path: '{labels}', offset: 1}}\n")
            daemon.start(lambda: "serving on unix:" in daemon.text())
            preview = Screen("--endpoint", f"unix:{daemon.folder}/grpc.sock", "pipeline", "watch", "pets", "--preview",
                             "--graphics", "blocks")
            preview.until(lambda: re.search(r"(cat|dog) \d\d%", preview.text()), "a label in the picture")
            preview.until(lambda: re.search(r" [1-9] found", preview.screen.display[29]), "how many")
            self.assertIn(b"\x1b[38;5;", preview.bytes, "256 colours where the terminal has not said that it has more")
            preview.press("q")
            self.assertEqual(preview.wait(), 0)

    def test_sixels_are_what_another_program_reads(self):
        preview = self.preview("--count", "1", columns=40, rows=31, answer=b"\x1b[?62;4;22c")
        self.assertEqual(preview.wait(), 0)
        picture = re.search(rb"\x1bP.*?\x1b\\", preview.bytes, re.S).group(0)
        folder = self.daemon.folder
        (folder / "a.sixel").write_bytes(picture)
        try:
            subprocess.run(["sixel2png", "-i", folder / "a.sixel", "-o", folder / "a.png"], check=True, timeout=60)
        except FileNotFoundError:
            self.skipTest("there is no sixel2png; install libsixel-bin")
        rows = pixels(folder / "a.png")
        self.assertEqual((len(rows[0]), len(rows)), (320, 240))
        def mean(left, right):
            part = [pixel for row in rows for pixel in row[left:right]]
            return [sum(pixel[i] for pixel in part) / len(part) for i in range(3)]
        self.assert_near(mean(0, 156), RED, 12)
        self.assert_near(mean(164, 320), BLUE, 12)

    def test_kitty_gets_every_pixel(self):
        preview = self.preview("--count", "1", columns=40, rows=31, answer=b"\x1b_Gi=31;OK\x1b\\\x1b[?62c")
        self.assertEqual(preview.wait(), 0)
        commands = [c for c in re.findall(rb"\x1b_G([^\x1b]*)\x1b\\", preview.bytes) if b";" in c and b"a=q" not in c]
        first = dict(pair.split(b"=") for pair in commands[0].split(b";")[0].split(b",") if pair)
        self.assertEqual((first[b"f"], first[b"o"]), (b"24", b"z"))
        data = zlib.decompress(base64.b64decode(b"".join(c.split(b";")[1] for c in commands)))
        width, height = int(first[b"s"]), int(first[b"v"])
        self.assertEqual((width, height, len(data)), (320, 240, 320 * 240 * 3))
        self.assert_near(data[:3], RED, 12)
        self.assert_near(data[-3:], BLUE, 12)

    def test_a_terminal_that_does_not_answer_gets_blocks(self):
        preview = self.preview("--count", "1", columns=40, rows=31)
        self.assertEqual(preview.wait(), 0)
        self.assertIn("\u2580".encode(), preview.bytes)
        self.assertNotIn(b"\x1bP", preview.bytes)

    def test_what_cannot_be_seen(self):
        for name, status in (("none", "there is no pipeline 'none'"), ("idle", "not run")):
            refused = self.daemon.ctl("pipeline", "watch", name, "--preview")
            self.assertEqual(refused.returncode, 1)
            self.assertIn(status, refused.stderr)
        piped = self.daemon.ctl("pipeline", "watch", "flag", "--preview")
        self.assertIn("needs a terminal", piped.stderr)

    def test_an_interrupt_leaves_the_terminal_as_it_was(self):
        preview = self.preview("--graphics", "blocks")
        preview.shows("0 found")
        during = termios.tcgetattr(preview.fd)[3]
        self.assertFalse(during & termios.ECHO)
        os.kill(preview.pid, signal.SIGINT)
        preview.until(lambda: preview.ended or b"\x1b[?1049l" in preview.bytes, "the first screen again")
        self.assertEqual(preview.wait(), -signal.SIGINT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest)
