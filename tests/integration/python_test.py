#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client against a daemon: both transports, what its users do and what goes wrong."""
import argparse
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from daemon_process import DaemonProcess

try:
    import inferd
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "clients" / "python" / "examples"
VWW = "tflite/vww_96_int8.tflite"
MOBILENET = "tflite/mobilenet_v2_1.0_224_quant.tflite"
DETECTOR = "onnx/FastestDet.onnx"


def data_path(relative):
    """A model or picture, or a loud skip."""
    path = ARGS.models / relative
    if not path.exists():
        raise unittest.SkipTest(f"SKIPPED: there is no {path}")
    return path


class Daemon(DaemonProcess):
    """A daemon with models {name: file} on sockets for gRPC and for shared memory. A model that is a dictionary is what
    tests/backends makes of it, with "yaml" its model.yaml; with nothing else, it is an ensemble."""

    def __init__(self, models, pipelines=""):
        scripted = any(isinstance(m, dict) for m in models.values())
        super().__init__(ARGS.inferd_with_test_models if scripted else ARGS.inferd)
        for name, model in models.items():
            script = dict(model) if isinstance(model, dict) else data_path(model)
            options = script.pop("yaml", None) if isinstance(model, dict) else None
            if script:
                self.add_model(name, script)
            else:
                (self.folder / "models" / name / "1").mkdir(parents=True)
            if options:
                (self.folder / "models" / name / "model.yaml").write_text(options)
        self.configure(f"server: {{grpc: [unix:g], local: [{{path: l}}]}}\nmodels: {{root: models}}\n{pipelines}")
        self.grpc_endpoint = f"unix:{self.folder}/g"
        self.start()

    def endpoint(self, kind):
        return self.grpc_endpoint if kind == "grpc" else f"local:{self.folder}/l"

    def start(self):
        with inferd.Client(self.grpc_endpoint) as client:
            super().start(lambda: self.is_healthy(client))

    @staticmethod
    def is_healthy(client):
        try:
            return client.health()
        except inferd.Error as error:
            if error.code != inferd.Code.UNAVAILABLE:
                raise
            return False


def inputs_for(model, seed=0):
    random = np.random.default_rng(seed)
    return {i.name: random.integers(0, 100, [max(1, d) for d in i.shape]).astype(i.dtype) for i in model.inputs}


class OverTransport:
    """What both transports do alike; subclasses say which."""

    KIND = ""

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon({"vww": VWW, "mobilenet": MOBILENET})
        cls.client = inferd.Client(cls.daemon.endpoint(cls.KIND), timeout=30)
        cls.input = cls.client.model("vww").inputs[0].name
        cls.output = cls.client.model("vww").outputs[0].name
        # What every way to ask must give, by gRPC.
        with inferd.Client(cls.daemon.grpc_endpoint) as client:
            # Noise around different brightnesses, so that the model tells them apart.
            cls.arrays = [inputs_for(client.model("vww"), i)[cls.input] // 8 + np.int8(30 * i - 110) for i in range(8)]
            cls.expected = [client.infer("vww", {cls.input: a})[cls.output] for a in cls.arrays]
        assert len({e.tobytes() for e in cls.expected}) > 2, cls.expected

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.daemon.stop()

    def same(self, outputs, i):
        self.assertEqual(list(outputs), [self.output])
        np.testing.assert_array_equal(outputs[self.output], self.expected[i])
        self.assertEqual(outputs[self.output].dtype, np.int8)

    def raises(self, code, message, call):
        with self.assertRaises(inferd.Error) as caught:
            call()
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertIn(message, str(caught.exception))

    def test_looking(self):
        self.assertTrue(self.client.health())
        self.assertEqual(self.client.server(), inferd.Server("inferd", inferd.__version__, True))
        self.assertEqual([(m.name, m.version, m.state) for m in self.client.models()],
                         [("mobilenet", "1", "READY"), ("vww", "1", "READY")])
        model = self.client.model("vww")
        self.assertEqual((model.name, model.version), ("vww", "1"))
        self.assertEqual((model.inputs[0].dtype, model.inputs[0].shape), (np.dtype("int8"), (-1, 96, 96, 3)))

    def test_arrays_by_name_alone_and_not_contiguous(self):
        array = self.arrays[1]
        self.same(self.client.infer("vww", {self.input: array}), 1)
        self.same(self.client.infer("vww", array), 1)
        self.same(self.client.infer("vww", np.asfortranarray(array)), 1)
        self.same(self.client.infer("vww", array, version="1", priority=1, outputs=[self.output]), 1)

    def test_large_tensors(self):
        inputs = inputs_for(self.client.model("mobilenet"))
        with inferd.Client(self.daemon.grpc_endpoint) as other:
            expected = other.infer("mobilenet", inputs)
        for _ in range(3):
            got = self.client.infer("mobilenet", inputs)
            for name, array in expected.items():
                np.testing.assert_array_equal(got[name], array)

    def test_a_batch(self):
        got = self.client.infer("vww", np.concatenate(self.arrays[:3]))[self.output]
        np.testing.assert_array_equal(got, np.concatenate(self.expected[:3]))

    def test_async(self):
        futures = [self.client.infer_async("vww", a) for a in self.arrays * 4]
        for i, future in enumerate(futures):
            self.same(future.result(30), i % len(self.arrays))
        failed = self.client.infer_async("nope", {"x": self.arrays[0]})
        self.assertEqual(failed.exception(30).code, inferd.Code.NOT_FOUND)

    def test_many_threads(self):
        failures = []

        def work(i):
            try:
                for _ in range(20):
                    self.same(self.client.infer("vww", self.arrays[i]), i)
            except BaseException as error:  # noqa: B902: what a thread raises is lost otherwise
                failures.append(error)

        threads = [threading.Thread(target=work, args=[i]) for i in range(len(self.arrays))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])

    def test_streams(self):
        with self.client.stream(max_in_flight=4) as stream:
            futures = [stream.infer("vww", a) for a in self.arrays * 4]
            wrong = stream.infer("vww", {"other": self.arrays[0]})
        # Leaving the block has waited.
        for i, future in enumerate(futures):
            self.assertTrue(future.done())
            self.same(future.result(), i % len(self.arrays))
        self.assertIn("input", str(wrong.exception(0)))
        self.raises(inferd.Code.FAILED_PRECONDITION, "the stream is closed",
                    lambda: stream.infer("vww", {self.input: self.arrays[0]}))

    def test_a_stream_that_is_left_with_an_exception_ends(self):
        with self.assertRaises(KeyError):
            with self.client.stream() as stream:
                futures = [stream.infer("vww", a) for a in self.arrays]
                raise KeyError("x")
        for future in futures:
            self.assertTrue(future.done())

    def test_buffers(self):
        with self.client.buffers("vww") as buffers:
            self.assertEqual(buffers.inputs[self.input].shape, (1, 96, 96, 3))
            for i in (0, 1, 2, 1):
                buffers.inputs[self.input][...] = self.arrays[i]
                self.same(buffers.infer(), i)
        with self.client.buffers("vww", shapes={self.input: (2, 96, 96, 3)}) as buffers:
            buffers.inputs[self.input][...] = np.concatenate(self.arrays[:2])
            np.testing.assert_array_equal(buffers.infer()[self.output], np.concatenate(self.expected[:2]))

    def test_mistakes(self):
        good = self.arrays[0]
        infer = self.client.infer
        code = inferd.Code
        self.raises(code.NOT_FOUND, "there is no model 'nope'; loaded: mobilenet, vww", lambda: infer("nope", {"x": good}))
        self.raises(code.NOT_FOUND, "there is no model 'nope'", lambda: infer("nope", good))
        self.raises(code.NOT_FOUND, "no version 7", lambda: infer("vww", good, version="7"))
        self.raises(code.NOT_FOUND, "no version 7", lambda: infer("vww", good, version=7))
        self.assertEqual(self.client.model("vww", 1).version, "1")
        for endpoint in ("", "http://board:8000", "board", "board:port", "/run/inferd/inferd.sock", "local:"):
            self.raises(code.INVALID_ARGUMENT, "write unix:PATH", lambda: inferd.Client(endpoint))
        self.raises(code.INVALID_ARGUMENT, "not a positive number", lambda: infer("vww", good, version="x"))
        self.raises(code.INVALID_ARGUMENT, "FP32" if self.KIND == "grpc" else "float32",
                    lambda: infer("vww", good.astype(np.float32)))
        self.raises(code.INVALID_ARGUMENT, "complex64; models take FP32", lambda: infer("vww", good.astype(np.complex64)))
        self.raises(code.INVALID_ARGUMENT, "[1,95,96,3]", lambda: infer("vww", good[:, 1:]))
        self.raises(code.INVALID_ARGUMENT, "no input 'other'", lambda: infer("vww", {self.input: good, "other": good}))
        self.raises(code.INVALID_ARGUMENT, "no input 'other'", lambda: infer("vww", {"other": good}))
        self.raises(code.INVALID_ARGUMENT, "is missing", lambda: infer("vww", {}))
        self.raises(code.INVALID_ARGUMENT, "no output 'none'", lambda: infer("vww", good, outputs=["none"]))
        self.raises(code.INVALID_ARGUMENT, "give a list", lambda: infer("vww", good, outputs="none"))
        self.raises(code.INVALID_ARGUMENT, "a timeout of 0 s", lambda: infer("vww", good, timeout=0))
        self.raises(code.INVALID_ARGUMENT, "priority is -1", lambda: infer("vww", good, priority=-1))
        self.raises(code.INVALID_ARGUMENT, "sequence id 0", lambda: infer("vww", good, sequence=(0, True, True)))
        self.raises(code.INVALID_ARGUMENT, "no input 'other'", lambda: self.client.buffers("vww", shapes={"other": [1]}))
        self.same(infer("vww", good), 0)

    def test_deadlines(self):
        array = np.concatenate(self.arrays * 32)
        self.raises(inferd.Code.DEADLINE_EXCEEDED, "", lambda: self.client.infer("vww", array, timeout=0.002))
        self.same(self.client.infer("vww", self.arrays[0]), 0)  # the client goes on

    def test_nobody_answers(self):
        path = self.daemon.endpoint(self.KIND) + "-absent"
        with inferd.Client(path) as client:
            begin = time.monotonic()
            self.raises(inferd.Code.UNAVAILABLE, "", client.health)
            self.raises(inferd.Code.UNAVAILABLE, "", lambda: client.infer("vww", {self.input: self.arrays[0]}))
            self.assertLess(time.monotonic() - begin, 5)

    def test_a_closed_client_says_so(self):
        client = inferd.Client(self.daemon.endpoint(self.KIND))
        client.health()
        client.close()
        self.raises(inferd.Code.FAILED_PRECONDITION, "closed", client.health)
        self.raises(inferd.Code.FAILED_PRECONDITION, "closed",
                    lambda: client.infer_async("vww", {self.input: self.arrays[0]}))


class OverGrpc(OverTransport, unittest.TestCase):
    KIND = "grpc"

    def test_statistics(self):
        self.client.infer("vww", self.arrays[0])
        found, = self.client.statistics("vww")
        self.assertGreater(found.inferences, 0)
        self.assertGreater(found.compute_infer.mean_ms, 0)
        self.assertEqual(len(self.client.statistics()), 2)

    def test_classes(self):
        array = inputs_for(self.client.model("mobilenet"))
        found, = self.client.classify("mobilenet", array, top=3)
        scores = next(iter(self.client.infer("mobilenet", array).values())).ravel()
        self.assertEqual([c.score for c in found], sorted((float(s) for s in scores), reverse=True)[:3])
        self.assertEqual(scores[found[0].index], found[0].score)

    def test_parameters_reach_the_daemon(self):
        self.raises(inferd.Code.INVALID_ARGUMENT, "sequence_id",
                    lambda: self.client.infer("vww", self.arrays[0], sequence=("x" * 200, True, False)))

    def test_endpoints(self):
        with self.assertRaises(inferd.Error):
            inferd.Client("nonsense")


class OverLocalSocket(OverTransport, unittest.TestCase):
    KIND = "local"

    def test_only_models(self):
        for call in (self.client.statistics, self.client.pipelines, lambda: self.client.load("vww"),
                     lambda: self.client.infer("vww", self.arrays[0], outputs={self.output: 2})):
            self.raises(inferd.Code.UNIMPLEMENTED, "gRPC endpoint", call)

    def test_descriptors_and_memory_are_given_back(self):
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        array = inputs_for(self.client.model("mobilenet"))
        self.client.infer("mobilenet", array)
        before = descriptors()
        for _ in range(200):  # more than the buffers that a connection may have
            with self.client.buffers("mobilenet") as buffers:
                buffers.infer()
            self.client.infer("mobilenet", array)
        del buffers
        self.assertLessEqual(descriptors(), before + 4)

    def test_results_in_shared_memory_are_views(self):
        with self.client.buffers("vww") as buffers:
            first = buffers.infer()[self.output]
            second = buffers.infer()[self.output]
            self.assertTrue(np.shares_memory(first, second))


class Restarts(unittest.TestCase):
    """The daemon dies and comes back; clients that were there before go on."""

    def check(self, kind):
        with Daemon({"vww": VWW}) as daemon, inferd.Client(daemon.endpoint(kind), timeout=30) as client:
            array = inputs_for(client.model("vww"))
            expected = next(iter(client.infer("vww", array).values()))
            buffers = client.buffers("vww")
            for name, values in array.items():
                buffers.inputs[name][...] = values
            buffers.infer()
            stream = client.stream()
            stream.infer("vww", array).result(30)
            daemon.kill()
            with self.assertRaises(inferd.Error) as caught:
                client.infer("vww", array)
            self.assertEqual(caught.exception.code, inferd.Code.UNAVAILABLE)
            daemon.start()
            deadline = time.monotonic() + 5  # a client may still be in gRPC's pause between two attempts
            while True:
                try:
                    got = next(iter(client.infer("vww", array).values()))
                    break
                except inferd.Error as error:
                    self.assertEqual(error.code, inferd.Code.UNAVAILABLE)
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
            np.testing.assert_array_equal(got, expected)
            np.testing.assert_array_equal(next(iter(buffers.infer().values())), expected)
            buffers.close()
            with client.stream() as other:
                np.testing.assert_array_equal(next(iter(other.infer("vww", array).result(30).values())), expected)
            stream.close()

    def test_grpc(self):
        self.check("grpc")

    def test_local(self):
        self.check("local")

    def test_what_is_on_its_way_when_the_daemon_dies_fails(self):
        inputs = [{"datatype": "FP32", "shape": [1, 4]}]
        models = {"quick": {"backend": "identity", "inputs": inputs},
                  "stuck": {"backend": "identity", "inputs": inputs, "run_us": 600_000_000}}
        array = np.zeros((1, 4), np.float32)
        for kind in ("grpc", "local"):
            with self.subTest(kind), Daemon(models) as daemon:
                with inferd.Client(daemon.endpoint(kind), timeout=60) as client:
                    futures = [client.infer_async("stuck", array) for _ in range(12)]
                    client.infer("quick", array)
                    daemon.kill()
                    self.assertEqual({f.exception(30).code for f in futures}, {inferd.Code.UNAVAILABLE})


class Ensembles(unittest.TestCase):
    """Models made of models are like any other to clients."""

    def test_each_transport_takes_them(self):
        pair = [{"datatype": "FP32", "shape": [-1, 4]}] * 2
        steps = """
            ensemble_scheduling:
              step:
                - {model_name: math, input_map: {INPUT0: x, INPUT1: y}, output_map: {OUTPUT0: sum, OUTPUT1: low}}
                - {model_name: math, input_map: {INPUT0: sum, INPUT1: low}, output_map: {OUTPUT0: twice}}
            output: [{name: twice}, {name: sum}]
        """
        models = {"math": {"backend": "add_sub", "inputs": pair}, "all": {"yaml": steps}}
        random = np.random.default_rng(5)
        with Daemon(models) as daemon:
            for kind in ("grpc", "local"):
                with self.subTest(kind), inferd.Client(daemon.endpoint(kind), timeout=30) as client:
                    model = client.model("all")
                    self.assertEqual([o.name for o in model.outputs], ["twice", "sum"])
                    for batch in (1, 3):
                        x, y = random.random((2, batch, 4), np.float32)
                        outputs = client.infer("all", {"x": x, "y": y})
                        np.testing.assert_array_equal(outputs["sum"], x + y)
                        np.testing.assert_array_equal(outputs["twice"], (x + y) + (x - y))
                    with self.assertRaises(inferd.Error) as caught:
                        client.infer("all", {"x": x[:, :2], "y": y})
                    self.assertEqual(caught.exception.code, inferd.Code.INVALID_ARGUMENT)


class Loading(unittest.TestCase):
    """Models come, change and go while clients use them."""

    def check(self, kind):
        with Daemon({"vww": VWW}) as daemon, inferd.Client(daemon.grpc_endpoint, timeout=30) as control:
            with inferd.Client(daemon.endpoint(kind), timeout=30) as client:
                array = next(iter(inputs_for(client.model("vww")).values()))
                expected = next(iter(client.infer("vww", array).values()))
                buffers = client.buffers("vww")
                next(iter(buffers.inputs.values()))[...] = array
                models = daemon.folder / "models" / "vww"
                shutil.copytree(models / "1", models / "2")
                control.load("vww")
                np.testing.assert_array_equal(next(iter(client.infer("vww", array).values())), expected)
                np.testing.assert_array_equal(next(iter(buffers.infer().values())), expected)
                self.assertEqual(client.model("vww").version, "2")
                control.unload("vww")
                for call in (lambda: client.infer("vww", array), buffers.infer):
                    with self.assertRaises(inferd.Error) as caught:
                        call()
                    self.assertEqual(caught.exception.code, inferd.Code.NOT_FOUND, caught.exception)
                control.load("vww")
                np.testing.assert_array_equal(next(iter(client.infer("vww", array).values())), expected)
                np.testing.assert_array_equal(next(iter(buffers.infer().values())), expected)
                buffers.close()
            with self.assertRaises(inferd.Error):
                control.load("nope")

    def test_grpc(self):
        self.check("grpc")

    def test_local(self):
        self.check("local")


class Scripted(unittest.TestCase):
    """What only models that do as they are told can show."""

    FP32 = [{"datatype": "FP32", "shape": [-1, 1]}]

    @classmethod
    def setUpClass(cls):
        any_size = [{"datatype": "FP32", "shape": [-1, -1]}]
        # A batch of fewer than it takes would wait for longer than the test.
        full = "max_batch: 4\nmax_delay_us: 600000000\ndynamic_batching: {adaptive: false}"
        cls.daemon = Daemon({"sum": {"backend": "accumulate", "inputs": cls.FP32},
                             "sums": {"backend": "accumulate", "inputs": cls.FP32, "yaml": full},
                             "lone_sum": {"backend": "accumulate", "yaml": full,
                                          "inputs": [{"datatype": "FP32", "shape": [1]}]},
                             "any": {"backend": "identity", "inputs": any_size},
                             "broken": {"backend": "fail", "inputs": cls.FP32, "message": "it is broken"},
                             "slow": {"backend": "identity", "inputs": cls.FP32, "run_us": 400000}})
        cls.clients = {kind: inferd.Client(cls.daemon.endpoint(kind), timeout=30) for kind in ("grpc", "local")}

    @classmethod
    def tearDownClass(cls):
        for client in cls.clients.values():
            client.close()
        cls.daemon.stop()

    @staticmethod
    def only(outputs):
        array, = outputs.values()
        return array

    def test_sequences(self):
        one = np.ones((1, 1), np.float32)
        for number, (kind, client) in enumerate(self.clients.items(), 1):
            with self.subTest(kind), client.stream() as stream:
                ways = [client.infer, lambda *a, **k: stream.infer(*a, **k).result(30)]
                for way, infer in enumerate(ways):
                    a, b = 100 * number + way, 200 * number + way
                    self.assertEqual(self.only(infer("sum", one, sequence=(a, True, False))), 1)
                    self.assertEqual(self.only(infer("sum", 10 * one, sequence=inferd.Sequence(b, start=True))), 10)
                    self.assertEqual(self.only(infer("sum", one, sequence=(a,))), 2)
                    self.assertEqual(self.only(infer("sum", one, sequence=(b, False, True))), 11)
                    self.assertEqual(self.only(infer("sum", one, sequence=(a, True, True))), 1)
                buffers = client.buffers("sum")
                self.only(buffers.inputs)[...] = 3
                for i in range(1, 4):
                    found = buffers.infer(sequence=(7 + number, i == 1, i == 3))
                    self.assertEqual(self.only(found), 3 * i)
                buffers.close()
        text = self.clients["grpc"]
        self.assertEqual(self.only(text.infer("sum", one, sequence=("camera", True, False))), 1)
        self.assertEqual(self.only(text.infer("sum", one, sequence=("camera", False, True))), 2)

    def test_sequences_run_together(self):
        for number, (kind, client) in enumerate(self.clients.items(), 1):
            with self.subTest(kind), client.stream() as stream:
                for step in range(1, 4):
                    answers = []
                    for i in range(4):
                        x = np.full((1, 1), i, np.float32)
                        sequence = (10 * number + i, step == 1, step == 3)
                        answers.append(stream.infer("sums", x, sequence=None if i == 3 else sequence))
                    sums = [self.only(answer.result(30)) for answer in answers]
                    self.assertEqual(sums, [0, step, 2 * step, 3])

    def test_sequences_that_cannot_run_together_run_alone(self):
        for number, (kind, client) in enumerate(self.clients.items(), 1):
            with self.subTest(kind):
                for step in range(1, 3):
                    found = client.infer("lone_sum", np.ones(1, np.float32), sequence=(number, step == 1))
                    self.assertEqual(self.only(found), step)
        self.assertIn("model lone_sum: max_batch is 4, but the model takes one sequence at a time",
                      (self.daemon.folder / "log").read_text())

    def test_outputs_of_sizes_that_nobody_knew(self):
        for kind, client in self.clients.items():
            for width in (3, 5000, 70000, 2):
                with self.subTest(kind, width=width):
                    array = np.arange(2 * width, dtype=np.float32).reshape(2, width)
                    np.testing.assert_array_equal(self.only(client.infer("any", array)), array)
        local = self.clients["local"]
        inputs = [i.name for i in local.model("any").inputs]
        output, = [o.name for o in local.model("any").outputs]
        with local.buffers("any", shapes={inputs[0]: (1, 100)}) as small:
            with self.assertRaises(inferd.Error) as caught:
                small.infer()
            self.assertEqual(caught.exception.code, inferd.Code.OUT_OF_RANGE)
        with local.buffers("any", shapes={inputs[0]: (1, 100)}, output_bytes={output: 400}) as fitting:
            self.assertEqual(self.only(fitting.infer()).shape, (1, 100))

    def test_a_model_that_fails(self):
        one = np.ones((1, 1), np.float32)
        for kind, client in self.clients.items():
            with self.subTest(kind), client.stream() as stream:
                for call in (lambda: client.infer("broken", one), lambda: client.infer_async("broken", one).result(30),
                             lambda: stream.infer("broken", one).result(30)):
                    with self.assertRaises(inferd.Error) as caught:
                        call()
                    self.assertIn("it is broken", str(caught.exception))

    def test_timeouts_and_cancelling(self):
        one = np.ones((1, 1), np.float32)
        for kind in ("grpc", "local"):
            # A daemon that has not seen how slow the model is, and so begins.
            slow = {"backend": "identity", "inputs": self.FP32, "run_us": 400000}
            with self.subTest(kind), Daemon({"slow": slow}) as daemon:
                with inferd.Client(daemon.endpoint(kind), timeout=30) as client:
                    buffers = client.buffers("slow")
                    self.only(buffers.inputs)[...] = 5
                    begin = time.monotonic()
                    with self.assertRaises(inferd.Error) as caught:
                        buffers.infer(timeout=0.1)
                    self.assertEqual(caught.exception.code, inferd.Code.DEADLINE_EXCEEDED)
                    self.assertLess(time.monotonic() - begin, 0.35)
                    if kind == "local":  # the daemon still writes there
                        with self.assertRaises(inferd.Error) as caught:
                            buffers.infer()
                        self.assertEqual(caught.exception.code, inferd.Code.FAILED_PRECONDITION)
                    time.sleep(0.6)
                    self.assertEqual(self.only(buffers.infer()), 5)
                    buffers.close()
            if kind == "grpc":
                client = self.clients[kind]
                futures = [client.infer_async("slow", one) for _ in range(3)]
                self.assertTrue(futures[2].cancel())
                self.assertTrue(futures[2].cancelled())
                self.assertEqual([self.only(f.result(30)) for f in futures[:2]], [1, 1])


class Pipelines(unittest.TestCase):
    STREET = """
pipelines:
  - name: street
    source: {{images: {{path: "{folder}", fps: 20, loop: true}}}}
    stages:
      - resize
      - normalize: {{mean: 0, std: 255, order: bgr}}
      - infer: {{model: detector}}
      - decode_fastestdet: {{min_score: 0.6}}
      - nms: {{iou: 0.45}}
      - labels: {{path: "{labels}"}}
      - track: {{min_hits: 1}}
      - count: {{name: all, zone: [0, 0, 1, 0, 1, 1, 0, 1], point: centre}}
      # Its output is a map of what is where, too, if one does not look closely.
      - decode_segments: {{mask: true}}
"""

    def test_watching(self):
        labels = data_path("labels/coco80.names")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(data_path("images/street_1.jpg"), pathlib.Path(folder) / "street_1.jpg")
            with Daemon({"detector": DETECTOR}, self.STREET.format(folder=folder, labels=labels)) as daemon:
                with inferd.Client(daemon.grpc_endpoint) as client:
                    self.watch(client)

    def watch(self, client):
        frames = client.watch("street", timeout=60)
        first, second = next(frames), next(frames)
        frames.close()
        self.assertGreater(second.sequence, first.sequence)
        self.assertEqual((first.pipeline, first.name), ("street", "street_1.jpg"))
        self.assertGreater(first.result_ns, first.capture_ns)
        self.assertIn("bus", [d.label for d in first.detections])
        box = first.detections[0].box
        self.assertTrue(0 <= box.x_min < box.x_max <= 1 and 0 <= box.y_min < box.y_max <= 1, box)
        ids = [d.track_id for d in first.detections]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual([d.track_id for d in second.detections], ids, "the picture is the same")
        self.assertEqual(sum(c.inside for c in first.counts), len(ids))
        self.assertEqual({(c.name, c.entered, c.left) for c in first.counts}, {("all", 0, 0)})
        self.assertEqual(max(first.mask.width, first.mask.height), 22)
        classes = first.mask.to_array()
        self.assertEqual(classes.shape, (first.mask.height, first.mask.width))
        for area in first.areas:
            self.assertAlmostEqual(area.fraction, (classes == area.class_id).mean(), places=5)
        listed, = client.pipelines()
        self.assertEqual((listed.name, listed.state, listed.model), ("street", "running", "detector"))
        self.assertGreaterEqual(listed.processed, 2)
        with self.assertRaises(inferd.Error) as caught:
            next(client.watch("nope"))
        self.assertEqual(caught.exception.code, inferd.Code.NOT_FOUND)
        with self.assertRaises(inferd.Error) as caught:
            list(client.watch("street", timeout=0.3))
        self.assertEqual(caught.exception.code, inferd.Code.DEADLINE_EXCEEDED)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon({"vww": VWW, "mobilenet": MOBILENET})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def run_example(self, name, *arguments):
        result = subprocess.run([sys.executable, "-B", str(EXAMPLES / name), *map(str, arguments)], capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_classify(self):
        picture = data_path("images/grace_hopper.bmp")
        lines = self.run_example("classify.py", self.daemon.endpoint("grpc"), "mobilenet", picture).splitlines()
        self.assertEqual(len(lines), 5)
        # 653 of 1001 is a military uniform, which is what she wears.
        self.assertEqual(lines[0].split()[1], "653")

    def test_stream(self):
        self.assertIn("20 answers in", self.run_example("stream.py", self.daemon.endpoint("grpc"), "vww", 20))

    def test_zero_copy(self):
        text = self.run_example("zero_copy.py", self.daemon.endpoint("local"), "vww", 20)
        self.assertIn("20 runs", text)

    def test_watch_says_what_is_missing(self):
        result = subprocess.run([sys.executable, "-B", str(EXAMPLES / "watch.py"), self.daemon.endpoint("grpc"), "nope"],
                                capture_output=True, text=True, timeout=60)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("there is no pipeline 'nope'", result.stderr)


class Package(unittest.TestCase):
    def test_pip_installs_it_from_a_checkout(self):
        missing = [m for m in ("pip", "setuptools", "wheel") if importlib.util.find_spec(m) is None]
        missing += [] if shutil.which("protoc") else ["protoc"]
        if missing:
            self.skipTest(f"SKIPPED: not installed: {', '.join(missing)}")
        with tempfile.TemporaryDirectory() as folder:
            # A copy: pip leaves its build beside the sources.
            checkout = pathlib.Path(folder) / "inferd"
            shutil.copytree(ROOT / "clients" / "python", checkout / "clients" / "python")
            shutil.copytree(ROOT / "proto", checkout / "proto")
            shutil.copy(ROOT / "CMakeLists.txt", checkout)
            target = pathlib.Path(folder) / "installed"
            installed = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                                        "--no-build-isolation", "--target", str(target),
                                        str(checkout / "clients" / "python")], capture_output=True, text=True, timeout=120)
            self.assertEqual(installed.returncode, 0, installed.stderr)
            code = "import inferd; print(inferd.__file__, inferd.__version__)"
            result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                                    env={**os.environ, "PYTHONPATH": str(target)})
            self.assertEqual(result.returncode, 0, result.stderr)
            file, version = result.stdout.split()
            self.assertTrue(file.startswith(str(target)), file)
            self.assertEqual(version, inferd.__version__)
            self.assertTrue((target / "inferd" / "py.typed").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--inferd-with-test-models", required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    ARGS.inferd = str(pathlib.Path(ARGS.inferd).resolve())
    ARGS.inferd_with_test_models = str(pathlib.Path(ARGS.inferd_with_test_models).resolve())
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
