#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`inferctl setup camera`, and `inferctl doctor` of a configuration: the first minutes of a user. With the cameras that the
kernel simulates (scripts/test-devices.sh) a daemon runs what was written; elsewhere these tests are skipped."""
import argparse
import getpass
import json
import os
import pathlib
import pty
import socket
import subprocess
import sys
import tempfile
import unittest

from daemon_process import DaemonProcess

ARGS = None
FACES = "onnx/yunet_n_320_320.onnx"
KINDS = "tflite/mobilenet_v2_1.0_224_quant.tflite"


def ctl(*words, endpoint="unix:/nonexistent/inferd.sock"):
    """With the daemon's program where it finds it when both are not installed."""
    environment = {**os.environ, "PATH": f"{ARGS.inferd.parent}:{os.environ['PATH']}"}
    return subprocess.run([ARGS.inferctl, "--endpoint", endpoint, *map(str, words)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120, env=environment)


def names_of_video_devices():
    return [path.read_text().strip() for path in pathlib.Path("/sys/class/video4linux").glob("*/name")]


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)


class WithoutADaemon(Folder):
    def test_the_list_says_that_it_may_lack_some(self):
        result = ctl("setup", "camera", "--list", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        listing = json.loads(result.stdout)
        self.assertIn("cameras of libcamera are not listed", listing["missing"])
        for camera in listing["cameras"]:
            self.assertEqual(camera["source"], "v4l2")
        self.assertIn("cameras of libcamera are not listed", ctl("setup", "camera", "--list").stderr)

    def test_mistakes(self):
        missing = self.folder / "camera.yaml"
        result = ctl("setup", "camera", "--camera", "no such camera", "--output", missing)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("there is no camera 'no such camera'", result.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertEqual(ctl("setup").returncode, 2)
        self.assertEqual(ctl("setup", "camera", "--list", "--size", "1x1").returncode, 2)
        self.assertEqual(ctl("setup", "camera", "--fps", "0").returncode, 2)


class Doctor(Folder):
    def findings(self, yaml, user=None):
        (self.folder / "models").mkdir(exist_ok=True)
        config = self.folder / "inferd.yaml"
        config.write_text(yaml + "models: {root: models}\n")
        result = ctl("doctor", "--config", config, "--user", user or getpass.getuser(), "--json")
        return [f for f in json.loads(result.stdout) if f["check"] == "ports" and f["level"] != "ok"]

    def test_a_port_that_somebody_else_has(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            yaml = f"server:\n  grpc: ['unix:{self.folder}/s']\n  http:\n    - '127.0.0.1:{port}'\n"
            taken = [f for f in self.findings(yaml) if "is taken by" in f["what"]]
        self.assertEqual(len(taken), 1)
        self.assertIn(f"port {port} of http 127.0.0.1:{port} is taken by python3 (process {os.getpid()})", taken[0]["what"])
        self.assertIn("inferd.yaml:4:7", taken[0]["fix"])
        self.assertEqual([f for f in self.findings(yaml) if "is taken by" in f["what"]], [])

    def test_a_listener_that_lets_everybody_in(self):
        found = [f["what"] for f in self.findings("server: {grpc: [{address: '0.0.0.0:47111', insecure: true}]}\n")]
        self.assertEqual(len(found), 2, found)
        self.assertIn("open to other machines without encryption", found[0])
        self.assertIn("whoever reaches this machine may do everything", found[1])

    def test_a_folder_that_is_not_there(self):
        found, = self.findings(f"server: {{grpc: ['unix:{self.folder}/none/s']}}\n")
        self.assertEqual(found["level"], "error")
        self.assertIn(f"there is no folder {self.folder}/none", found["what"])

    def test_nothing_is_wrong(self):
        self.assertEqual(self.findings(f"server: {{grpc: ['unix:{self.folder}/s']}}\n"), [])


class WithADaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        cls.addClassCleanup(cls.daemon.stop)
        cls.endpoint = f"unix:{cls.daemon.folder}/grpc"
        cls.pipelines = cls.daemon.folder / "pipelines"
        cls.pipelines.mkdir()
        cls.daemon.add_model("faces", ARGS.models / FACES)
        cls.daemon.add_model("kinds", ARGS.models / KINDS)
        cls.daemon.configure("server: {grpc: ['unix:grpc']}\nmodels: {root: models}\npipelines: [{folder: pipelines}]\n")
        cls.daemon.start(lambda: ctl("health", endpoint=cls.endpoint).returncode == 0)

    def ctl(self, *words, code=0):
        result = ctl(*words, endpoint=self.endpoint)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def cameras(self):
        return json.loads(self.ctl("setup", "camera", "--list", "--json").stdout)["cameras"]

    def watch(self, name):
        """Three frames of a pipeline that was just written."""
        self.ctl("pipeline", "reload")
        lines = self.ctl("pipeline", "watch", name, "--count", 3, "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]


class Kernel(WithADaemon):
    """On vivid and vimc."""

    @classmethod
    def setUpClass(cls):
        if not any("vivid" in name for name in names_of_video_devices()):
            if os.environ.get("INFERD_REQUIRE_DEVICES"):
                raise AssertionError("there is no vivid")
            raise unittest.SkipTest("SKIPPED: NO CAMERA OF THE KERNEL'S vivid: scripts/test-devices.sh HAS ONE")
        super().setUpClass()

    def test_a_camera_of_v4l2(self):
        cameras = [c for c in self.cameras() if c["name"] == "vivid" and not c["trouble"]]
        self.assertEqual(len(cameras), 1, self.cameras())
        camera = cameras[0]
        self.assertEqual(camera["source"], "v4l2")
        self.assertIn((640, 360), {(m["width"], m["height"]) for m in camera["modes"]})
        file = self.pipelines / "door.yaml"
        written = json.loads(self.ctl("setup", "camera", "--camera", camera["device"], "--output", file, "--size", "640x360",
                                      "--json").stdout)
        self.assertEqual(written, {"camera": camera["id"], "checked": True, "file": str(file), "model": "faces",
                                   "pipeline": "door"})
        self.assertIn("decode_yunet", file.read_text())
        self.assertEqual(file.stat().st_mode & 0o777, 0o644)
        for frame in self.watch("door"):
            self.assertEqual((frame["width"], frame["height"]), (640, 360))
        again = self.ctl("setup", "camera", "--camera", camera["device"], "--output", file, code=1)
        self.assertIn("is there already", again.stderr)
        self.ctl("setup", "camera", "--camera", camera["device"], "--output", file, "--size", "320x180", "--force",
                 "--fps", 10)
        self.assertEqual(self.watch("door")[0]["width"], 320)
        refused = self.ctl("setup", "camera", "--camera", camera["device"], "--output", self.pipelines / "other.yaml",
                           "--model", "kinds", code=1)
        self.assertIn("no decoder", refused.stderr)
        self.assertEqual([path.name for path in self.pipelines.iterdir() if path.name.startswith("other")], [])

    def test_asks_who_can_answer(self):
        several = self.ctl("setup", "camera", "--output", self.pipelines / "asked.yaml", code=1)
        self.assertIn("there are several cameras", several.stderr)
        terminal, programs_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        with subprocess.Popen([ARGS.inferctl, "--endpoint", self.endpoint, "setup", "camera", "--output",
                               self.pipelines / "asked.yaml"], stdin=programs_end, stdout=programs_end) as asking:
            os.close(programs_end)
            os.write(terminal, b"1\ny\n")
            self.assertEqual(asking.wait(timeout=120), 0)
        self.assertIn("v4l2: {device: ", (self.pipelines / "asked.yaml").read_text())

    def test_a_camera_of_libcamera(self):
        told = [c for c in self.cameras() if c["source"] == "libcamera"]
        self.assertEqual([c["name"] for c in told], ["Sensor B"])
        file = self.pipelines / "sensor.yaml"
        smallest = min(told[0]["modes"], key=lambda m: m["width"] * m["height"])
        self.ctl("setup", "camera", "--camera", "Sensor B", "--output", file, "--size",
                 f"{smallest['width']}x{smallest['height']}")
        self.assertEqual(self.watch("sensor")[0]["width"], smallest["width"])


class NoCamera(WithADaemon):
    def test_says_so(self):
        if names_of_video_devices():
            self.skipTest("SKIPPED: this machine has video devices")
        self.assertEqual(self.cameras(), [])
        self.assertEqual(self.ctl("setup", "camera", "--list").stdout, "there is no camera\n")
        refused = self.ctl("setup", "camera", "--output", self.pipelines / "camera.yaml", code=1)
        self.assertIn("there is no camera; is it plugged in?", refused.stderr)
        self.assertEqual(list(self.pipelines.iterdir()), [])


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    for name in ("--inferd", "--inferctl", "--models"):
        parser.add_argument(name, type=lambda path: pathlib.Path(path).resolve(), required=True)
    ARGS, rest = parser.parse_known_args()
    if not (ARGS.models / FACES).exists():
        print(f"SKIPPED: there is no {ARGS.models / FACES}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
