#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Models that are in memory only while they are needed: a real daemon, real models, and the limits of a control group."""
import argparse
import os
import pathlib
import re
import sys
import unittest

try:
    import inferd
    import numpy as np
    from daemon_process import DaemonProcess, is_healthy, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
PATIENCE_S = 120
MODELS = {"first": "onnx/nanodet_m.onnx", "second": "onnx/yolox_nano.onnx"}
MEGA = 1_000_000


class ControlGroup:
    """A group below that of this process, of version 2 or 1; None from make() where this process may not have one."""

    def __init__(self, folder, limit):
        self.folder, self._limit = folder, limit

    @staticmethod
    def make():
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            mount = pathlib.Path("/sys/fs/cgroup" + ("/memory" if controllers else ""))
            if controllers not in ("", "memory"):
                continue
            folder = mount / path.strip("/") / f"inferd-test-{os.getpid()}"
            limit = folder / ("memory.limit_in_bytes" if controllers else "memory.max")
            try:
                folder.mkdir()
            except OSError:
                continue
            if limit.exists():
                return ControlGroup(folder, limit)
            folder.rmdir()
        return None

    def leave(self, size):
        """Sets the limit so far above what is used and could not be taken back easily."""
        used, kind = ("memory.current", "") if self._limit.name == "memory.max" else ("memory.usage_in_bytes", "total_")
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        can_go = int(stat[kind + "inactive_file"]) + int(stat[kind + "active_file"]) // 2
        self._limit.write_text(str(int((self.folder / used).read_text()) - can_go + size))

    def take(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def remove(self):
        self.folder.rmdir()


class Daemon(DaemonProcess):
    def __init__(self, memory, group=None, **options):
        """`options`: of each model."""
        super().__init__(ARGS.inferd)
        self.endpoint = f"unix:{self.folder}/grpc"
        self._group = group
        for name, file in MODELS.items():
            self.add_model(name, ARGS.models / file)
            (self.folder / "models" / name / "model.yaml").write_text(options.get(name, "{}"))
        self.configure(f"server: {{grpc: ['unix:grpc']}}\nengine: {{threads: 1}}\n"
                       f"models: {{root: models, memory: {memory}}}\n")

    def launch(self, environment=None):
        super().launch(environment)
        if self._group is not None:
            self._group.take(self.process.pid)

    def begin(self):
        self.start(self.ready)
        return self

    def ready(self):
        return is_healthy(self.endpoint, PATIENCE_S)

    def client(self):
        return inferd.Client(self.endpoint, timeout=PATIENCE_S)

    def ask(self, name):
        with self.client() as client:
            tensor = client.model(name).inputs[0]
            shape = [max(1, d) for d in tensor.shape]
            picture = np.random.default_rng(1).random(shape, np.float32) * 2 - 1
            return client.infer(name, {tensor.name: picture})

    def sleep(self):
        """Waits until no model is in memory."""
        with self.client() as client:
            wait_until(lambda: all(m.reason == "asleep until it is used" for m in client.models()), "all sleep")

    def resident(self):
        """Anonymous memory of the daemon: not what it has mapped of files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024


class ResidencyTest(unittest.TestCase):
    SHORT = "{residence: on_demand, keep_alive_s: 3}"

    def daemon(self, memory="{}", **options):
        daemon = Daemon(memory, **options)
        self.addCleanup(daemon.__exit__)
        return daemon.begin()

    def group(self):
        group = ControlGroup.make()
        if group is None:
            self.skipTest("needs the right to make a control group with a memory limit")
        self.addCleanup(group.remove)  # after the daemon's end, which is added later
        return group

    def same(self, a, b):
        for name, value in a.items():
            np.testing.assert_array_equal(value, b[name])

    def test_what_is_not_used_leaves_memory_and_comes_back(self):
        daemon = self.daemon(first="{keep_alive_s: 1}", second=self.SHORT)
        before = daemon.ask("first")
        wait_until(lambda: "model first sleeps: no requests for" in daemon.text(), "it sleeps")
        asleep = daemon.resident()
        self.same(before, daemon.ask("first"))
        awake = daemon.resident()
        # Its weights are 4 MB, and what it computes with is as much again.
        self.assertGreater(awake - asleep, 5 * MEGA, f"{asleep} asleep, {awake} awake")
        daemon.ask("second")
        self.assertRegex(daemon.text(), r"model second is awake after \d+ ms")

    def test_models_take_turns_in_a_budget(self):
        daemon = self.daemon("{budget_bytes: 12000000}")
        for _ in range(3):
            for name in MODELS:
                daemon.ask(name)
        self.assertRegex(daemon.text(), r"model first sleeps: its \d\.\d MB are wanted for model 'second'")
        daemon = self.daemon("{budget_bytes: 12000000}", first="{residence: pinned}")
        with self.assertRaisesRegex(inferd.Error, r"RESOURCE_EXHAUSTED.*'second' needs about .*first has .* \(pinned\)"):
            daemon.ask("second")
        daemon.ask("first")

    def test_a_control_groups_limit_is_kept(self):
        group = self.group()
        daemon = self.daemon("{reserve_bytes: 8000000}", group=group, first=self.SHORT, second=self.SHORT)
        for name in MODELS:
            daemon.ask(name)  # so that what the daemon itself needs is there
        daemon.sleep()
        # Room for one of the two, of 8 MB each.
        group.leave(22 * MEGA)
        for _ in range(3):
            for name in MODELS:
                daemon.ask(name)
        self.assertIn("MB are wanted for model", daemon.text())
        daemon.sleep()
        group.leave(12 * MEGA)
        for name in MODELS:
            with self.assertRaisesRegex(inferd.Error, "RESOURCE_EXHAUSTED.*control group .*inferd-test"):
                daemon.ask(name)
        self.assertTrue(daemon.alive())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    missing = [file for file in MODELS.values() if not (ARGS.models / file).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not in {ARGS.models}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
