#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as its users meet it: started as a process, asked through inferctl and gRPC, stopped with SIGTERM."""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

from daemon_process import DaemonProcess

try:
    import grpc
    import numpy as np
    import raw_protocol
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None


def model_path(relative):
    """A real model, or a loud skip."""
    path = ARGS.models / relative if not str(relative).startswith("/") else pathlib.Path(relative)
    if not path.exists():
        raise unittest.SkipTest(f"SKIPPED: no model {path}")
    return path


def ctl(*arguments, endpoint=None):
    command = [ARGS.inferctl] + (["--endpoint", endpoint] if endpoint else []) + [str(a) for a in arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


class Daemon(DaemonProcess):
    """A daemon on its own folder; models is {name: (file, options of the serve entry)}, labels {name: text of the file}."""

    def __init__(self, models, pipelines="", server="", listeners="unix:inferd.sock", labels=None):
        super().__init__(ARGS.inferd)
        self.endpoint = f"unix:{self.folder}/inferd.sock"
        serve = ""
        for name, (file, options) in models.items():
            self.add_model(name, file)
            serve += f"    - {{name: {name}{''.join(f', {k}: {v}' for k, v in options.items())}}}\n"
        for name, text in (labels or {}).items():
            (self.folder / "models" / name / "labels.txt").write_text(text)
        self.configure(f"server:\n  grpc: [{listeners}]\n{server}models:\n  root: models\n  serve:\n{serve}{pipelines}")
        self.start(lambda: ctl("health", endpoint=self.endpoint).returncode == 0)
        self.pb, pb_grpc = STUBS
        self.channel = grpc.insecure_channel(self.endpoint, options=[("grpc.max_receive_message_length", -1)])
        self.stub = pb_grpc.GRPCInferenceServiceStub(self.channel)

    def infer(self, model, arrays):
        return raw_protocol.infer(self.pb, self.stub, model, arrays, timeout=60)

    def terminate(self):
        if hasattr(self, "channel"):
            self.channel.close()
        return super().terminate()


def inputs_for(model, seed):
    """Random arrays for every input of a model file, told by inferctl inspect."""
    info = json.loads(ctl("inspect", model, "--json").stdout)
    random = np.random.default_rng(seed)
    arrays = {}
    for t in info["inputs"]:
        shape = [max(d, 1) for d in t["shape"]]
        if t["datatype"] == "FP32":
            arrays[t["name"]] = random.uniform(-1, 1, shape).astype(np.float32)
        else:
            dtype = np.dtype(raw_protocol.NUMPY_TYPES[t["datatype"]])
            limits = np.iinfo(dtype)
            arrays[t["name"]] = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return arrays


def run_locally(model, arrays):
    """What inferctl run gives, by output name."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-run-"))
    try:
        options = []
        for i, (name, array) in enumerate(arrays.items()):
            np.save(folder / f"in{i}.npy", array)
            options += ["--input", f"{name}={folder}/in{i}.npy"]
        result = ctl("run", model, *options, "--output-dir", folder / "out", "--json")
        assert result.returncode == 0, result.stderr
        return {o["name"]: np.load(folder / "out" / (re.sub(r"[^A-Za-z0-9._-]", "_", o["name"]) + ".npy"))
                for o in json.loads(result.stdout)}
    finally:
        shutil.rmtree(folder)


MODELS = ["tflite/mobilenet_v2_1.0_224_quant.tflite", "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
          "tflite/mobilenet_v1_0.25_128_quant.tflite", "tflite/vww_96_int8.tflite",
          "tflite/pretrainedResnet_quant.tflite", "tflite/traffic_model.tflite",
          "tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "onnx/mobilenet_v2_quant.onnx",
          "onnx/FastestDet.onnx", "onnx/yunet_n_320_320.onnx"]


def named_models():
    """The files of MODELS and two that npm brings, as far as they are here; or a loud skip."""
    files = [ARGS.models / m for m in MODELS]
    files += [ARGS.cache / "ssd_mobilenet_v2_oid.tflite",
              ARGS.cache / "node_modules/@mediapipe/face_detection/face_detection_short_range.tflite"]
    files = [f for f in files if f.exists()]
    if not files:
        raise unittest.SkipTest(f"SKIPPED: no models in {ARGS.models} or {ARGS.cache}")
    return files


class SameBytes(unittest.TestCase):
    """inferctl run and the daemon give the same bytes for every model."""

    def test_models(self):
        files = named_models()
        with Daemon({f"m{i}": (f, {}) for i, f in enumerate(files)}) as daemon:
            for i, file in enumerate(files):
                with self.subTest(model=file.name):
                    arrays = inputs_for(file, seed=i)
                    expected = run_locally(file, arrays)
                    got = daemon.infer(f"m{i}", arrays)
                    self.assertEqual(got.keys(), expected.keys())
                    for name in expected:
                        self.assertEqual(got[name].tobytes(), expected[name].tobytes(), name)


class DamagedModels(unittest.TestCase):
    """A damaged copy of each model is refused in one line that says which file and why."""

    @staticmethod
    def damaged(file):
        whole = file.read_bytes()
        spoiled = bytearray(whole)
        # The root of a FlatBuffer, or the first fields of a Protocol Buffers message.
        spoiled[0:4] = b"\xff\xff\xff\xff"
        return {"cut": whole[:len(whole) // 2], "start": bytes(spoiled), "empty": b""}

    @staticmethod
    def write(folder, model, file, data):
        target = pathlib.Path(folder) / model / "1" / ("model" + file.suffix)
        target.parent.mkdir(parents=True)
        target.write_bytes(data)
        return target

    def test_a_damaged_model_that_is_to_be_served_stops_the_start(self):
        for file in named_models():
            for kind, data in self.damaged(file).items():
                with self.subTest(model=file.name, damage=kind), tempfile.TemporaryDirectory() as folder:
                    target = self.write(folder + "/models", "broken", file, data)
                    config = pathlib.Path(folder) / "inferd.yaml"
                    config.write_text("server: {grpc: [unix:s]}\nmodels: {root: models, serve: [broken]}\n")
                    result = subprocess.run([ARGS.inferd, "--config", str(config)], capture_output=True, text=True,
                                            timeout=60)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    error = result.stderr.splitlines()[-1]
                    self.assertIn("inferd.yaml:2:32: model 'broken': ", error)
                    self.assertIn(str(target), error)
                    self.assertRegex(error, "truncated or corrupt|is empty|not a model in a known format")

    def test_damaged_copies_beside_the_served_models_harm_nobody(self):
        files = named_models()
        good = model_path("tflite/vww_96_int8.tflite")
        with Daemon({"good": (good, {})}) as daemon:
            for i, file in enumerate(files):
                self.write(daemon.folder / "models", f"broken{i}", file, self.damaged(file)["cut"])
            arrays = inputs_for(good, seed=1)
            expected = run_locally(good, arrays)
            for i, file in enumerate(files):
                with self.subTest(model=file.name):
                    with self.assertRaises(grpc.RpcError) as caught:
                        daemon.infer(f"broken{i}", arrays)
                    self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
                    self.assertIn(f"there is no model 'broken{i}'; loaded: good", caught.exception.details())
                    got = daemon.infer("good", arrays)
                    for name in expected:
                        self.assertEqual(got[name].tobytes(), expected[name].tobytes())


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = model_path("tflite/vww_96_int8.tflite")
        cls.daemon = Daemon({"vww": (cls.file, {"max_batch": 8, "max_delay_us": 3000})})
        cls.name = next(iter(inputs_for(cls.file, 0)))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def refused(self, change, code, message):
        """A good request, spoiled by `change`, is refused with `code` and `message`; then the daemon still works."""
        pb = self.daemon.pb
        array = inputs_for(self.file, 1)[self.name]
        request = pb.ModelInferRequest(model_name="vww")
        request.inputs.add(name=self.name, datatype="INT8", shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
        change(request)
        with self.assertRaises(grpc.RpcError) as caught:
            self.daemon.stub.ModelInfer(request, timeout=30)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(message, caught.exception.details())
        self.daemon.infer("vww", {self.name: array})

    def test_bad_requests(self):
        bad = grpc.StatusCode.INVALID_ARGUMENT
        missing = grpc.StatusCode.NOT_FOUND
        cases = [
            (lambda r: setattr(r, "model_name", "nope"), missing, "there is no model 'nope'; loaded: vww"),
            (lambda r: setattr(r, "model_version", "7"), missing, "has no version 7"),
            (lambda r: setattr(r, "model_version", "x"), bad, "not a positive number"),
            (lambda r: setattr(r.inputs[0], "name", "other"), bad, "the model has no input 'other'; it takes '"),
            (lambda r: setattr(r.inputs[0], "datatype", "FP32"), bad, "has datatype 'FP32', the model takes INT8"),
            (lambda r: r.inputs[0].shape.__setitem__(1, 95), bad, "has shape [1,95,96,3], the model takes [?,96,96,3]"),
            (lambda r: r.inputs[0].shape.__setitem__(0, -1), bad, "negative dimension"),
            (lambda r: r.inputs[0].shape.__setitem__(0, 1 << 62), bad, "more elements than an int64 can count"),
            (lambda r: r.inputs[0].shape.__setitem__(0, 0), bad, "has shape [0,96,96,3]"),
            (lambda r: r.raw_input_contents.__setitem__(0, b"abc"), bad, "has 3 bytes"),
            (lambda r: r.raw_input_contents.append(b""), bad, "2 raw_input_contents for 1 inputs"),
            (lambda r: r.inputs[0].contents.int_contents.append(1), bad, "although raw_input_contents is used"),
            (lambda r: (r.raw_input_contents.pop(), r.inputs[0].contents.int_contents.extend([300] * 96 * 96 * 3)), bad,
             "element 0 is 300, out of range for INT8"),
            (lambda r: (r.inputs.pop(), r.raw_input_contents.pop()), bad, "is missing"),
            (lambda r: r.outputs.add(name="none"), bad, "the model has no output 'none'"),
        ]
        for change, code, message in cases:
            with self.subTest(message=message):
                self.refused(change, code, message)

    def test_typed_contents_equal_raw(self):
        array = inputs_for(self.file, 2)[self.name]
        request = self.daemon.pb.ModelInferRequest(model_name="vww", id="abc")
        tensor = request.inputs.add(name=self.name, datatype="INT8", shape=array.shape)
        tensor.contents.int_contents.extend(int(v) for v in array.ravel())
        response = self.daemon.stub.ModelInfer(request, timeout=30)
        raw = self.daemon.infer("vww", {self.name: array})
        self.assertEqual(response.id, "abc")
        self.assertEqual(response.raw_output_contents[0], next(iter(raw.values())).tobytes())

    def test_sixteen_clients_get_their_own_answers_in_batches(self):
        arrays = [inputs_for(self.file, 100 + i) for i in range(16)]
        expected = [self.daemon.infer("vww", a) for a in arrays]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: [self.daemon.infer("vww", arrays[i]) for _ in range(20)], range(16)))
        for i, of_client in enumerate(answers):
            for answer in of_client:
                for name in answer:
                    self.assertEqual(answer[name].tobytes(), expected[i][name].tobytes())
        statistics = self.daemon.stub.ModelStatistics(self.daemon.pb.ModelStatisticsRequest(name="vww"))
        sizes = {b.batch_size for b in statistics.model_stats[0].batch_stats}
        self.assertGreater(max(sizes), 1, sizes)
        self.assertLess(statistics.model_stats[0].execution_count, statistics.model_stats[0].inference_count)

    def test_a_request_may_carry_a_batch(self):
        one = inputs_for(self.file, 5)[self.name]
        two = inputs_for(self.file, 6)[self.name]
        both = self.daemon.infer("vww", {self.name: np.concatenate([one, two])})
        for i, array in enumerate((one, two)):
            alone = self.daemon.infer("vww", {self.name: array})
            for name in alone:
                self.assertEqual(both[name][i:i + 1].tobytes(), alone[name].tobytes())

    def test_metadata_health_and_readiness(self):
        pb, stub = self.daemon.pb, self.daemon.stub
        self.assertTrue(stub.ServerLive(pb.ServerLiveRequest()).live)
        self.assertTrue(stub.ServerReady(pb.ServerReadyRequest()).ready)
        self.assertEqual(stub.ServerMetadata(pb.ServerMetadataRequest()).name, "inferd")
        self.assertTrue(stub.ModelReady(pb.ModelReadyRequest(name="vww")).ready)
        self.assertFalse(stub.ModelReady(pb.ModelReadyRequest(name="nope")).ready)
        metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="vww"))
        self.assertEqual(list(metadata.inputs[0].shape), [-1, 96, 96, 3])
        self.assertEqual(metadata.inputs[0].datatype, "INT8")

    def test_inferctl(self):
        endpoint = self.daemon.endpoint
        for command in (["status"], ["health"], ["model", "list"], ["pipeline", "list"]):
            plain = ctl(*command, endpoint=endpoint)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            listed = ctl(*command, "--json", endpoint=endpoint)
            self.assertEqual(listed.returncode, 0, listed.stderr)
            json.loads(listed.stdout)
        self.assertEqual(json.loads(ctl("model", "list", "--json", endpoint=endpoint).stdout)[0]["name"], "vww")

    def test_a_second_daemon_is_refused_on_the_same_socket(self):
        result = subprocess.run([ARGS.inferd, "--config", str(self.daemon.config)], capture_output=True, text=True,
                                timeout=60, cwd=self.daemon.folder)
        self.assertEqual(result.returncode, 1)
        self.assertIn("another process serves on", result.stderr)


class Lifecycle(unittest.TestCase):
    def test_sigterm_drains_and_exits_0(self):
        daemon = Daemon({"vww": (model_path("tflite/vww_96_int8.tflite"), {})})
        socket = daemon.folder / "inferd.sock"
        self.assertTrue(socket.exists())
        self.assertEqual(socket.stat().st_mode & 0o777, 0o660)
        self.assertEqual(daemon.stop(), 0)

    def test_the_drain_ends_at_its_timeout(self):
        model = model_path("tflite/vww_96_int8.tflite")
        daemon = Daemon({"vww": (model, {})}, server="  drain_timeout_ms: 0\n")
        array = next(iter(inputs_for(model, 0).values()))
        request = daemon.pb.ModelInferRequest(model_name="vww")
        request.inputs.add(name=next(iter(inputs_for(model, 0))), datatype="INT8", shape=[64, *array.shape[1:]])
        request.raw_input_contents.append(array.tobytes() * 64)
        calls = [daemon.stub.ModelInfer.future(request, timeout=120) for _ in range(80)]
        calls[0].result()
        daemon.process.send_signal(signal.SIGTERM)
        codes = [call.code() for call in calls]  # waits
        self.assertEqual(daemon.process.wait(timeout=30), 0)
        self.assertIn("refusing what still waits", daemon.text())
        daemon.stop()
        self.assertTrue(any("could not run the request in time" in call.details() for call in calls))
        # CANCELLED: gRPC's answer to calls whose messages had not arrived when it stopped accepting.
        self.assertLessEqual(set(codes), {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})

    def test_an_open_stream_does_not_hold_the_daemon(self):
        daemon = Daemon({"vww": (model_path("tflite/vww_96_int8.tflite"), {})}, server="  drain_timeout_ms: 60000\n")
        stream = daemon.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        end = threading.Event()

        def requests():
            yield b"\x3a\x01*"  # list_services: "*"
            end.wait(60)

        self.assertIn(b"inference.GRPCInferenceService", next(stream(requests())))
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=10), 0)
        end.set()
        daemon.stop()

    def start(self, text):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "inferd.yaml"
            config.write_text(text)
            result = subprocess.run([ARGS.inferd, "--config", str(config)], capture_output=True, text=True, timeout=60)
            return result.returncode, result.stderr.replace(folder, "")

    def test_a_quantized_model_needs_no_library_of_a_module(self):
        """Cameras, brokers and web servers cost memory only where they are asked for."""
        model = model_path("tflite/vww_96_int8.tflite")
        daemon = Daemon({"vww": (model, {})})
        self.addCleanup(daemon.stop)
        daemon.infer("vww", inputs_for(model, 0))
        mapped = pathlib.Path(f"/proc/{daemon.process.pid}/maps").read_text()
        self.assertIn("libinferd-daemon.so", mapped)
        for library in ("gstreamer", "libcamera", "lttng", "asound", "libiio", "curl", "mosquitto", "microhttpd", "gnutls",
                        "gpiod", "openblas", "gfortran", "lib/inferd-"):
            self.assertNotIn(library, mapped)

    def test_bad_configuration_is_one_clear_line_and_exit_1(self):
        self.assertEqual(self.start("server:\n  grpcc: []\n"),
                         (1, "inferd: /inferd.yaml:2:3: unknown key 'grpcc'; did you mean 'grpc'?\n"))
        self.assertEqual(self.start("server: {grpc: [unix:s]}\nmodels: {root: none}\n"),
                         (1, "inferd: model repository '/none' is not a folder\n"))
        code, message = self.start("server: {grpc: [unix:s]}\nmodels: {root: ., serve: [absent]}\n")
        self.assertEqual(code, 1)
        self.assertIn(":2:27: model 'absent': ", message)
        self.assertEqual(message.count("\n"), 1)

    def test_damaged_models_are_refused(self):
        whole = model_path("tflite/vww_96_int8.tflite").read_bytes()
        # The vector of weight buffers (field 4 of the root table) claims 4 billion entries.
        root, = struct.unpack_from("<I", whole, 0)
        vtable = root - struct.unpack_from("<i", whole, root)[0]
        field = root + struct.unpack_from("<H", whole, vtable + 4 + 2 * 4)[0]
        length = field + struct.unpack_from("<I", whole, field)[0]
        huge = whole[:length] + struct.pack("<I", 0xFFFFFFF0) + whole[length + 4:]
        damaged = {"cut": whole[:len(whole) // 2], "empty": b"", "text": b"hello", "length": huge}
        for name, data in damaged.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "model.tflite"
                file.write_bytes(data)
                result = ctl("inspect", file)
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertRegex(result.stderr, r"^inferctl: .*model\.tflite")


class Pipelines(unittest.TestCase):
    PIPELINE = """
pipelines:
  - name: faces
    source: {{images: {{path: "{picture}", fps: 20, loop: true}}}}
    stages:
      - letterbox
      - normalize: {{mean: 127.5, std: 127.5}}
      - infer: {{model: face}}
      - decode_ssd: {{style: blazeface, boxes: regressors, scores: classificators}}
      - nms: {{iou: 0.3}}
    sinks:
      - jsonl: {{path: results.jsonl}}
      - annotated: {{path: latest.png}}
"""

    def test_faces_are_found_watched_and_written(self):
        face = ARGS.cache / "node_modules/@mediapipe/face_detection/face_detection_short_range.tflite"
        model_path(face)
        picture = model_path("images/face.jpg")
        with Daemon({"face": (face, {})}, self.PIPELINE.format(picture=picture)) as daemon:
            result = ctl("pipeline", "watch", "faces", "--count", "5", "--json", endpoint=daemon.endpoint)
            self.assertEqual(result.returncode, 0, result.stderr)
            frames = [json.loads(line) for line in result.stdout.splitlines()]
            self.assertEqual(len(frames), 5)
            for frame in frames:
                self.assertGreater(frame["latency_ms"], 0)
                self.assertEqual(len(frame["detections"]), 2)  # the picture shows two people
                self.assertGreater(frame["detections"][0]["score"], 0.7)
            pipelines = json.loads(ctl("pipeline", "list", "--json", endpoint=daemon.endpoint).stdout)
            self.assertEqual(pipelines[0]["state"], "running")
            self.assertGreaterEqual(pipelines[0]["processed"], 5)
            written = (daemon.folder / "results.jsonl").read_text().splitlines()
            self.assertEqual(json.loads(written[0])["pipeline"], "faces")
            self.assertTrue((daemon.folder / "latest.png").read_bytes().startswith(b"\x89PNG"))
            stopped = json.loads(ctl("pipeline", "stop", "faces", "--json", endpoint=daemon.endpoint).stdout)
            self.assertEqual(stopped["state"], "stopped")
            lines = len((daemon.folder / "results.jsonl").read_text().splitlines())
            self.assertEqual(lines, stopped["processed"])
            # It is ended for who watches, too.
            self.assertEqual(ctl("pipeline", "watch", "faces", endpoint=daemon.endpoint).stdout, "")
            restarted = ctl("pipeline", "restart", "faces", endpoint=daemon.endpoint)
            self.assertEqual(restarted.returncode, 0, restarted.stderr)
            self.assertRegex(restarted.stdout, r"faces +running +images -> face")
            self.assertEqual(len(ctl("pipeline", "watch", "faces", "--count", "2",
                                     endpoint=daemon.endpoint).stdout.splitlines()), 2)
            shown = json.loads(ctl("pipeline", "show", "faces", "--json", endpoint=daemon.endpoint).stdout)
            self.assertIn("infer", [node["name"] for node in shown["nodes"]])
            self.assertGreater(len((daemon.folder / "results.jsonl").read_text().splitlines()), lines)
            self.assertEqual(ctl("pipeline", "start", "nope", endpoint=daemon.endpoint).returncode, 1)
            unknown = ctl("pipeline", "watch", "nope", endpoint=daemon.endpoint)
            self.assertEqual(unknown.returncode, 1)
            self.assertIn("there is no pipeline 'nope'; there are: faces", unknown.stderr)


    STREET = """
pipelines:
  - name: street
    source: {{images: {{path: "{folder}", fps: 10, loop: true}}}}
    stages:
      - resize
      - normalize: {{mean: 0, std: 255, order: bgr}}
      - infer: {{model: fastestdet}}
      - decode_fastestdet: {{min_score: 0.6}}
      - nms: {{iou: 0.45}}
      - labels: {{path: "{labels}"}}
"""

    def test_people_and_a_bus_are_found_in_the_street_photos(self):
        model = model_path("onnx/FastestDet.onnx")
        labels = model_path("labels/coco80.names")
        with tempfile.TemporaryDirectory() as folder:
            photos = sorted(model_path("images").glob("street_*.jpg"))
            for photo in photos:
                shutil.copyfile(photo, pathlib.Path(folder) / photo.name)
            with Daemon({"fastestdet": (model, {})}, self.STREET.format(folder=folder, labels=labels)) as daemon:
                result = ctl("pipeline", "watch", "street", "--count", str(2 * len(photos)), "--json",
                             endpoint=daemon.endpoint)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = {}
        for line in result.stdout.splitlines():
            frame = json.loads(line)
            found.setdefault(frame["frame"], set()).update(d["label"] for d in frame["detections"])
        self.assertEqual(sorted(found), [p.name for p in photos])
        # A baseball field, a bus, a desk, a tennis court.
        for photo, label in (("street_0.jpg", "person"), ("street_1.jpg", "bus"), ("street_2.jpg", "person"),
                             ("street_3.jpg", "person")):
            self.assertIn(label, found[photo], found)


    TRACKED = """
pipelines:
  - name: street
    source: {{images: {{path: "{photo}", fps: 10, loop: true}}}}
    stages:
      - resize
      - normalize: {{mean: 0, std: 255, order: bgr}}
      - infer: {{model: fastestdet}}
      - decode_fastestdet: {{min_score: 0.1}}
      - nms: {{iou: 0.45}}
      - labels: {{path: "{labels}"}}
      - track: {{high: 0.6}}
      - count: {{name: all, zone: [0, 0, 1, 0, 1, 1, 0, 1], point: centre}}
    sinks:
      - jsonl: {{path: results.jsonl}}
      - annotated: {{path: latest.png}}
"""

    def test_things_keep_their_numbers_and_are_counted(self):
        model = model_path("onnx/FastestDet.onnx")
        pipeline = self.TRACKED.format(photo=model_path("images/street_1.jpg"), labels=model_path("labels/coco80.names"))
        with Daemon({"fastestdet": (model, {})}, pipeline) as daemon:
            result = ctl("pipeline", "watch", "street", "--count", "8", "--json", endpoint=daemon.endpoint)
            self.assertEqual(result.returncode, 0, result.stderr)
            said = ctl("pipeline", "watch", "street", "--count", "1", endpoint=daemon.endpoint)
            self.assertIn("#1 bus", said.stdout)
            written = [json.loads(line) for line in (daemon.folder / "results.jsonl").read_text().splitlines()]
            self.assertTrue((daemon.folder / "latest.png").read_bytes().startswith(b"\x89PNG"))
        self.assertEqual(written[0]["detections"], [], "nothing was seen twice yet")
        frames = [json.loads(line) for line in result.stdout.splitlines()]
        for frame in frames[-4:]:
            numbers = [d["track_id"] for d in frame["detections"]]
            self.assertEqual(numbers, [d["track_id"] for d in frames[-1]["detections"]], "the picture stands still")
            self.assertEqual(len(set(numbers)), len(numbers))
            self.assertIn("bus", [d["label"] for d in frame["detections"]])
            self.assertEqual(sum(c["inside"] for c in frame["counts"]), len(numbers))


class ExitCodes(unittest.TestCase):
    def test_usage_is_2_and_unreachable_is_3(self):
        self.assertEqual(ctl("bogus").returncode, 2)
        self.assertEqual(ctl("run").returncode, 2)
        self.assertEqual(ctl("--help").returncode, 0)
        self.assertEqual(ctl("status", endpoint="unix:/nonexistent/inferd.sock").returncode, 3)
        self.assertEqual(ctl("inspect", "/nonexistent.tflite").returncode, 1)

    def test_bench_reports_its_keys(self):
        model = model_path("tflite/vww_96_int8.tflite")
        result = ctl("bench", model, "--iterations", "3", "--warmup", "1", "--profile", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        for key in ("median_ms", "min_ms", "p99_ms", "batch", "threads", "macs", "weights_bytes", "arena_bytes",
                    "peak_rss_bytes", "isa", "layers"):
            self.assertIn(key, report)
        self.assertEqual(set(report["layers"][0]), {"name", "op", "kernel", "isa", "declined", "stripes", "ms",
                                                   "gmacs_per_s", "peak_share", "gbytes_per_s"})

    def test_float_pictures_need_to_be_told_how(self):
        picture = model_path("images/face.jpg")
        model = model_path("onnx/yunet_n_320_320.onnx")
        with tempfile.TemporaryDirectory() as folder:
            result = ctl("run", model, "--input", picture, "--output-dir", folder)
            self.assertEqual(result.returncode, 1)
            self.assertIn("--preprocess", result.stderr)
            told = ctl("run", model, "--input", picture, "--output-dir", folder, "--preprocess", "bgr,mean=0,std=1")
            self.assertEqual(told.returncode, 0, told.stderr)


def main(more=()):
    """Runs the tests of the program that was started; `more` names options that it has besides the usual ones."""
    global ARGS, STUBS
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--inferctl", required=True)
    for option in ("--models", *more):
        parser.add_argument(option, type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    ARGS.inferd, ARGS.inferctl = (str(pathlib.Path(p).resolve()) for p in (ARGS.inferd, ARGS.inferctl))
    STUBS = raw_protocol.load_stubs()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)


if __name__ == "__main__":
    main(["--cache"])
