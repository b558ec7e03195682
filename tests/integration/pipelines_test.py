#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pipelines that are graphs, in a real daemon with real models: checked, watched, and changed while they run."""
import argparse
import json
import pathlib
import signal
import subprocess
import sys
import unittest
import urllib.request

try:
    import inferd
    from daemon_process import DaemonProcess, free_port, is_healthy, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
MODELS = {"detector": "tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "kinds": "tflite/mobilenet_v2_1.0_224_quant.tflite"}

CAMERA = "{images: {path: %s, fps: 30, loop: true, pan: true}}"

YARD = """
name: yard
nodes:
  street: {source: %(street)s}
  pets: {source: %(pets)s}
  things:
    from: [street, pets]
    stages:
      - resize
      - infer: {model: detector}
      - decode_detections: {min_score: 0.4}
      - labels: {path: %(labels)s, offset: 1}
    sinks: [jsonl: {path: things.jsonl}]
  breeds:
    from: things
    each: {classes: [cat, dog], max: 2}
    stages: [resize, infer: {model: kinds}, decode_classes: {top: 3}]
"""


class PipelinesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        folder = cls.daemon.folder
        cls.endpoint = f"unix:{folder}/grpc"
        cls.http = f"127.0.0.1:{free_port()}"
        for name, file in MODELS.items():
            cls.daemon.add_model(name, ARGS.models / file)
        images = ARGS.models / "images"
        (folder / "yard.yaml").write_text(YARD % {
            "street": CAMERA % (images / "bus.jpg"), "pets": CAMERA % (images / "pets.jpg"),
            "labels": ARGS.models / "labels/coco_ssd_mobilenet_labels.txt"})
        (folder / "pattern.yaml").write_text(
            "name: pattern\nparameters: {fps: 20, width: }\n"
            "source: {test_pattern: {fps: '${fps}', width: '${width}'}}\nstages: [include: stages.yaml]\n")
        (folder / "stages.yaml").write_text("- resize\n- infer: {model: kinds}\n- decode_classes\n")
        cls.write_config(["{file: yard.yaml}", "{file: pattern.yaml, with: {width: 64}}"])
        cls.daemon.start(cls.ready)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        assert code == 0, code

    @classmethod
    def write_config(cls, pipelines):
        cls.daemon.configure(f"server: {{grpc: ['unix:grpc'], http: ['{cls.http}']}}\nengine: {{threads: 1}}\n"
                             "models: {root: models}\npipelines:\n" + "".join(f"  - {p}\n" for p in pipelines))

    @classmethod
    def ready(cls):
        return is_healthy(cls.endpoint)

    @classmethod
    def client(cls):
        return inferd.Client(cls.endpoint, timeout=60)

    def ctl(self, *arguments):
        return subprocess.run([str(ARGS.inferctl), "--endpoint", self.endpoint, "pipeline", *map(str, arguments)],
                              capture_output=True, text=True, timeout=120)

    def pipeline(self, name):
        with self.client() as client:
            return next(p for p in client.pipelines() if p.name == name)

    def node(self, name, pipeline="yard"):
        return next(n for n in self.pipeline(pipeline).graph if n.name == name)

    def test_cameras_share_models_and_boxes_are_classified(self):
        with self.client() as client:
            seen = {}
            for frame in client.watch("yard", timeout=100):
                seen.setdefault(frame.source, []).append(frame)
                if len(seen) == 2 and all(len(frames) >= 5 for frames in seen.values()):
                    break
        for source, frames in seen.items():
            self.assertEqual({f.node for f in frames}, {"breeds@" + source})
            sequences = [f.sequence for f in frames]
            self.assertEqual(sequences, sorted(set(sequences)), "each camera's frames come in order")
        animals = [d for f in seen["pets"] for d in f.detections if d.label in ("cat", "dog")]
        self.assertTrue(animals)
        self.assertTrue(any(len(d.classes) == 3 for d in animals), "what is in the box was classified")
        others = [d for f in seen["street"] for d in f.detections if d.label not in ("cat", "dog")]
        self.assertTrue(others)
        self.assertFalse(any(d.classes for d in others))
        line = (self.daemon.folder / "things.jsonl").read_text().splitlines()[0]
        self.assertIn(json.loads(line)["source"], ("street", "pets"))

    def test_a_picture_is_asked_about_while_the_pipeline_runs(self):
        photo = ARGS.models / "images/pets.jpg"
        with self.client() as client:
            frames = client.ask("yard", photo.read_bytes())
            with self.assertRaisesRegex(inferd.Error, "there is no pipeline 'none'"):
                client.ask("none", photo.read_bytes())
        self.assertEqual([f.node for f in frames], ["breeds@street"], "once for both cameras")
        animals = [d for d in frames[0].detections if d.label in ("cat", "dog")]
        self.assertTrue(any(len(d.classes) == 3 for d in animals), frames)
        asked = self.ctl("ask", "yard", photo)
        self.assertEqual(asked.returncode, 0, asked.stderr)
        self.assertRegex(asked.stdout, r"(cat|dog) 0\.\d\d \[")
        refused = self.ctl("ask", "yard", ARGS.models / "labels/coco_ssd_mobilenet_labels.txt")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("labels.txt: the picture: ", refused.stderr)
        self.assertEqual(self.pipeline("yard").state, "running")

    def test_status_tells_of_every_node(self):
        wait_until(lambda: self.node("breeds@pets").given > 3, "frames")
        shown = self.ctl("show", "yard")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        for text in ("things@street", "breeds@pets", "decode_detections", "source running"):
            self.assertIn(text, shown.stdout)
        self.assertEqual(self.node("street").state, "running")
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=60) as answer:
            metrics = answer.read().decode()
        for text in ('inferd_pipeline_node_drops_total{pipeline="yard",node="things@pets",reason="overwritten"}',
                     'inferd_pipeline_source_up{pipeline="yard",node="street"} 1',
                     'inferd_pipeline_latency_histogram_seconds_bucket{pipeline="yard",le="0.05"}'):
            self.assertTrue(text in metrics, text)
        names = [line.rsplit(" ", 1)[0] for line in metrics.splitlines() if not line.startswith("#")]
        self.assertEqual(len(names), len(set(names)), "each is there once")

    def test_check_tells_all_errors_with_their_places(self):
        good = self.ctl("check", self.daemon.folder / "pattern.yaml", "--set", "width=32")
        self.assertEqual((good.returncode, good.stdout), (
            0, "main:source: test_pattern\n  main: resize > infer kinds > decode_classes\n"), good.stderr)
        dot = self.ctl("check", "--dot", self.daemon.folder / "yard.yaml")
        self.assertIn("digraph", dot.stdout)
        self.assertEqual(dot.stdout.count(" -> "), 4)
        file = self.daemon.folder / "bad.yaml"
        file.write_text("name: bad\nnodes:\n  a: {source: test_pattern}\n  b:\n    from: a\n    stages:\n      - resize\n"
                        "      - infer: {model: kinds}\n      - decode_yunet\n  c: {from: a, stages: [nms: {iuo: 1}]}\n")
        bad = self.ctl("check", file)
        self.assertEqual(bad.returncode, 1)
        self.assertIn(f"{file}:9:9: ", bad.stderr)
        self.assertIn(f"{file}:10:36: 'nms' has no key 'iuo'; did you mean 'iou'?", bad.stderr)
        self.assertIn("has 2 errors", bad.stderr)
        missing = self.ctl("check", self.daemon.folder / "pattern.yaml")
        self.assertIn("parameter 'width' needs a value", missing.stderr)
        outside = self.daemon.folder / "outside.yaml"
        outside.write_text("name: o\nsource: test_pattern\nstages: [include: /etc/hostname]\n")
        self.assertIn("it is not sent to the daemon", self.ctl("check", outside).stderr)

    def test_a_reload_changes_only_what_changed(self):
        wait_until(lambda: self.pipeline("yard").processed > 5, "frames")
        self.write_config(["{file: yard.yaml}", "{file: pattern.yaml, with: {width: 64, fps: 100}}",
                           "{file: pattern.yaml, name: more, with: {width: 32}}"])
        before = self.pipeline("yard").processed
        done = self.ctl("reload")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("more: running", done.stdout)
        self.assertGreaterEqual(self.pipeline("yard").processed, before)
        self.write_config(["{file: yard.yaml}", "{file: pattern.yaml, with: {width: wide}}"])
        refused = self.ctl("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("pattern.yaml:3:47: 'width' must be a whole number", refused.stderr)
        self.assertEqual(len(self.ctl("list").stdout.splitlines()), 3)
        self.write_config(["{file: yard.yaml}", "{file: pattern.yaml, with: {width: 64}}"])
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.ctl("list").stdout.splitlines()) == 2, "the signal is heard")
        self.assertGreaterEqual(self.pipeline("yard").processed, before)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    missing = [file for file in MODELS.values() if not (ARGS.models / file).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not in {ARGS.models}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
