#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pipelines in config/pipelines, all in one daemon: each finds in photos what is there, and tells it."""
import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor

try:
    import inferd
    from daemon_process import DaemonProcess, free_port, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
# File, labels, and how many of these are for what the model never says.
MODELS = {
    "detector": ("tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "labels/coco_ssd_mobilenet_labels.txt", 1),
    "movenet": ("tflite/movenet_single_pose_lightning_ptq.tflite", None, 0),
    "deeplab": ("tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite", "labels/pascal_voc_segmentation_labels.txt", 0),
}


def camera(photo):
    """What stands in for a camera: a photo, ten times a second."""
    return (f"multifilesrc location={ARGS.models / 'images' / photo} loop=true caps=image/jpeg,framerate=10/1 ! "
            "jpegdec ! videoconvert ! identity sync=true")


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        folder = cls.daemon.folder
        for name, (file, labels, skipped) in MODELS.items():
            cls.daemon.add_model(name, ARGS.models / file)
            if labels:
                (folder / "models" / name / "1" / "labels.txt").write_text(
                    "".join((ARGS.models / labels).read_text().splitlines(True)[skipped:]))
        cls.broker_port, cls.pictures_port = free_port(), free_port()
        cls.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        cls.datagrams.bind(("127.0.0.1", 0))
        cls.datagrams.settimeout(60)
        uses = {
            "doorbell": {"camera": camera("person.jpg"), "broker": "127.0.0.1", "port": cls.broker_port},
            "two_cameras": {"front": camera("bus.jpg"), "rear": camera("pets.jpg"),
                            "results": folder / "two.jsonl"},
            "count": {"camera": camera("person.jpg"), "results": folder / "count.jsonl"},
            "pose": {"camera": camera("person.jpg"), "address": "127.0.0.1:%d" % cls.datagrams.getsockname()[1]},
            "segments": {"camera": camera("pets.jpg"), "listen": f"127.0.0.1:{cls.pictures_port}"},
        }
        examples = {file.stem for file in ARGS.examples.glob("*.yaml")} - {"detect"}  # which names no sources of its own
        assert examples == set(uses), f"an example without a test, or a test without an example: {examples ^ set(uses)}"
        pipelines = [{"file": str((ARGS.examples / f"{name}.yaml").resolve()), "with": {k: str(v) for k, v in values.items()}}
                     for name, values in uses.items()]
        cls.daemon.configure(f"server: {{grpc: ['unix:grpc']}}\nengine: {{threads: 1}}\nmodels: {{root: models}}\n"
                             f"pipelines: {json.dumps(pipelines)}\n")
        cls.broker = cls.start_broker(folder)
        cls.daemon.start(cls.ready)

    @classmethod
    def start_broker(cls, folder):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        (folder / "broker.conf").write_text(f"listener {cls.broker_port} 127.0.0.1\nallow_anonymous true\n")
        return subprocess.Popen([program, "-c", str(folder / "broker.conf")], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.datagrams.close()
        code = cls.daemon.stop()
        cls.broker.terminate()
        cls.broker.wait(timeout=60)
        assert code == 0, code

    @classmethod
    def client(cls):
        return inferd.Client(f"unix:{cls.daemon.folder}/grpc", timeout=60)

    @classmethod
    def ready(cls):
        try:
            with cls.client() as client:
                return client.health()
        except inferd.Error:
            return False

    def lines(self, name, enough):
        """Results in a file, when there are so many."""
        file = self.daemon.folder / name

        def read():
            return file.read_text().splitlines()[:-1] if file.exists() else []  # the last one may be half written

        wait_until(lambda: len(read()) >= enough, f"{enough} lines in {name}")
        return [json.loads(line) for line in read()]

    def test_doorbell(self):
        def listen(topic, count):
            return subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.broker_port), "-t", topic, "-C", count,
                                   "-W", "60"], capture_output=True, text=True, timeout=120).stdout

        self.assertIn("occupancy", listen("homeassistant/#", "1"), "it was announced, and retained")
        self.daemon_restarts_the_doorbell(listen)

    def daemon_restarts_the_doorbell(self, listen):
        """What changed is told once: somebody who comes later hears of the next change only."""
        with ThreadPoolExecutor() as pool:
            heard = pool.submit(listen, "inferd/+/doorbell/main", "2")
            while not heard.done():
                with self.client() as client:
                    client.restart_pipeline("doorbell")
                wait_until(lambda: self.found("doorbell") or heard.done(), "somebody is seen")
        # First that nobody is there, then that somebody is.
        labels = [{d["label"] for d in json.loads(line)["detections"]} for line in heard.result().splitlines()]
        self.assertIn({"person"}, labels)

    def found(self, name):
        with self.client() as client:
            return any(frame.detections for frame in client.watch(name, timeout=5))

    def test_two_cameras(self):
        lines = self.lines("two.jsonl", 20)
        seen = {}
        for line in lines:
            seen.setdefault(line["source"], set()).update(d["label"] for d in line["detections"])
        self.assertEqual(set(seen), {"front", "rear"})
        self.assertIn("person", seen["front"])
        self.assertTrue(seen["rear"] & {"cat", "dog"}, seen["rear"])

    def test_count(self):
        last = self.lines("count.jsonl", 10)[-1]
        self.assertTrue(all(d["track_id"] > 0 and d["label"] == "person" for d in last["detections"]))
        zones = [c for c in last["counts"] if c["name"] == "zone"]
        self.assertTrue(zones and zones[0]["inside"] >= 1, last["counts"])

    def test_pose(self):
        found = json.loads(self.datagrams.recv(65536))
        self.assertEqual(len(found["detections"][0]["keypoints"]), 17)

    def test_segments(self):
        with self.client() as client:
            frame = next(client.watch("segments", timeout=60))
        self.assertTrue({a.label for a in frame.areas} & {"cat", "dog"}, frame.areas)
        self.assertEqual(max(frame.mask.width, frame.mask.height), 64)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pictures_port}/snapshot.jpg", timeout=60) as answer:
            self.assertTrue(answer.read().startswith(b"\xff\xd8\xff"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    missing = [file for file, *_ in MODELS.values() if not (ARGS.models / file).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not in {ARGS.models}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
