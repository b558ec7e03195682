#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stages of shared libraries in a real daemon: inside of it, in processes of their own, and where they crash."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import inferd
    from daemon_process import DaemonProcess, is_healthy, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None


def children(pid):
    """Processes that it has started, by their ids and states: "S", or "Z" for a zombie."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue  # it has ended
        state, parent = rest.rsplit(") ", 1)[1].split()[:2]
        if int(parent) == pid:
            found[int(number)] = state
    return found


def pipeline(name, keys):
    return {"name": name, "source": {"test_pattern": {"fps": 200, "width": 64, "height": 48}},
            "stages": [{"custom": keys}], "sinks": [{"jsonl": {"path": f"{name}.jsonl"}}]}


class CustomStageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        own = {"process": "own", "memory_mb": ARGS.memory_mb}
        cls.configure([
            pipeline("inside", {"library": str(ARGS.brightness)}),
            pipeline("own", {"library": str(ARGS.brightness), **own}),
            pipeline("crashing", {"library": str(ARGS.library), "do": "crash", "every": 10, **own}),
            pipeline("hanging", {"library": str(ARGS.library), "do": "hang", "every": 10, "timeout_ms": 100, **own})])
        cls.daemon.start(cls.ready)

    @classmethod
    def tearDownClass(cls):
        pid = cls.daemon.process.pid
        started = children(pid)
        code = cls.daemon.stop()
        assert code == 0, code
        assert started and not any(pathlib.Path(f"/proc/{child}").exists() for child in started), started

    @classmethod
    def configure(cls, pipelines):
        cls.daemon.configure(json.dumps({"server": {"grpc": ["unix:grpc"]}, "engine": {"threads": 1}, "pipelines": pipelines}))

    @classmethod
    def client(cls):
        return inferd.Client(f"unix:{cls.daemon.folder}/grpc", timeout=60)

    @classmethod
    def ready(cls):
        return is_healthy(f"unix:{cls.daemon.folder}/grpc")

    def status(self, name):
        with self.client() as client:
            return next(p for p in client.pipelines() if p.name == name)

    def first_values(self, name, count):
        file = self.daemon.folder / f"{name}.jsonl"
        wait_until(lambda: file.exists() and len(file.read_text().splitlines()) > count, f"results of {name}")
        lines = [json.loads(line) for line in file.read_text().splitlines()[:count]]
        return {line["sequence"]: line["values"] for line in lines}

    def test_the_example_says_the_same_in_both(self):
        inside, own = self.first_values("inside", 50), self.first_values("own", 50)
        both = set(inside) & set(own)
        self.assertTrue(both)
        for sequence in both:
            self.assertEqual(inside[sequence], own[sequence])
            self.assertEqual(inside[sequence][0]["name"], "brightness")
            self.assertGreater(inside[sequence][0]["value"], 10)

    def test_crashes_cost_their_frames(self):
        wait_until(lambda: self.status("crashing").failed >= 100, "a hundred crashes", 120)
        status = self.status("crashing")
        self.assertIn("custom: its process was killed by SIGSEGV", status.last_error)
        sequences = [json.loads(line)["sequence"]
                     for line in (self.daemon.folder / "crashing.jsonl").read_text().splitlines()[:-1]]
        self.assertFalse([s for s in sequences if s % 10 == 0], "these crashed")
        self.assertGreater(len(sequences), 500, "the others did not")
        self.assertNotIn("Z", children(self.daemon.process.pid).values())
        files = len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))
        wait_until(lambda: self.status("crashing").failed >= 150, "fifty more", 120)
        self.assertLessEqual(len(os.listdir(f"/proc/{self.daemon.process.pid}/fd")), files + 10)
        self.assertLessEqual(len(children(self.daemon.process.pid)), 3)

    def test_hangs_cost_their_timeout(self):
        wait_until(lambda: self.status("hanging").failed >= 5, "five hangs")
        self.assertIn("did not answer within 100 ms and was killed", self.status("hanging").last_error)
        before = self.status("hanging").processed
        wait_until(lambda: self.status("hanging").processed > before + 10, "it goes on")

    def test_a_client_that_checks_a_file_loads_nothing(self):
        """The library of this file would end the daemon."""
        source = self.daemon.folder / "deadly.c"
        source.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void end(void) { abort(); }\n")
        library = self.daemon.folder / "libdeadly.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True, timeout=60)
        file = self.daemon.folder / "checked.yaml"
        file.write_text("name: checked\nsource: test_pattern\nstages:\n  - custom: {library: libdeadly.so, a: 1}\n")
        checked = subprocess.run([str(ARGS.inferctl), "--endpoint", f"unix:{self.daemon.folder}/grpc", "pipeline", "check",
                                  str(file)], capture_output=True, text=True, timeout=120)
        self.assertEqual((checked.returncode, checked.stdout), (0, "main:source: test_pattern\n  main: custom\n"),
                         checked.stderr)
        self.assertTrue(self.daemon.alive())

    def test_check_says_where_a_mistake_is(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "inferd.yaml"
            config.write_text("pipelines:\n  - name: p\n    source: test_pattern\n    stages:\n"
                              "      - custom: {library: nowhere.so}\n"
                              f"      - custom: {{library: '{ARGS.brightness}', darkest: black}}\n")
            checked = subprocess.run([str(ARGS.inferd), "--check", str(config)], capture_output=True, text=True, timeout=120)
            self.assertEqual(checked.returncode, 1)
            self.assertIn(f"{config}:5:9: 'custom': cannot be loaded: {folder}/nowhere.so", checked.stderr)
            config.write_text(config.read_text().replace("nowhere.so", str(ARGS.brightness)))
            checked = subprocess.run([str(ARGS.inferd), "--check", str(config)], capture_output=True, text=True, timeout=120)
            self.assertIn(f"{config}:6:9: 'custom': 'darkest' must be a number from 0 to 255, not 'black'", checked.stderr)

    def test_processes_die_with_the_daemon(self):
        with DaemonProcess(ARGS.inferd) as other:
            other.configure((self.daemon.folder / "inferd.yaml").read_text())
            other.launch()
            wait_until(lambda: len((other.folder / "own.jsonl").read_text()) > 0 if (other.folder / "own.jsonl").exists()
                       else False, "frames")
            started = children(other.process.pid)
            self.assertTrue(started)
            other.kill()
            wait_until(lambda: not any(pathlib.Path(f"/proc/{child}").exists() for child in started), "they die")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    parser.add_argument("--brightness", type=pathlib.Path, required=True)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--memory-mb", type=int, default=64, help="of each process; 0 with sanitizers")
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
