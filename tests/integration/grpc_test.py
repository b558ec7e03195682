#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Triton's and KServe's clients ask of the daemon over gRPC, on a Unix socket and over TCP."""
import json
import os
import pathlib
import queue
import shutil
import socket
import struct
import time
import unittest
from multiprocessing import shared_memory

import daemon_test
from daemon_test import Daemon, grpc, inputs_for, model_path, np, raw_protocol

CODE = grpc.StatusCode


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Calls(unittest.TestCase):
    SERVER = ""  # lines of the configuration

    @classmethod
    def setUpClass(cls):
        cls.file = model_path("tflite/vww_96_int8.tflite")
        port = free_port()
        cls.daemon = Daemon({"vww": (cls.file, {"max_batch": 4})}, server=cls.SERVER,
                            listeners=f"unix:inferd.sock, 127.0.0.1:{port}")
        (cls.daemon.folder / "models" / "vww" / "labels.txt").write_text("empty\nperson\n")
        cls.pb, cls.stub = cls.daemon.pb, cls.daemon.stub
        cls.tcp = grpc.insecure_channel(f"127.0.0.1:{port}")
        cls.array = inputs_for(cls.file, 1)
        cls.input = next(iter(cls.array))

    @classmethod
    def tearDownClass(cls):
        cls.tcp.close()
        cls.daemon.__exit__()

    def request(self, model="vww", **fields):
        request = self.pb.ModelInferRequest(model_name=model, **fields)
        array = self.array[self.input]
        request.inputs.add(name=self.input, datatype="INT8", shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
        return request

    def refused(self, call, code, message):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(message, caught.exception.details())

    def load(self, name="vww"):
        return self.stub.RepositoryModelLoad(self.pb.RepositoryModelLoadRequest(model_name=name), timeout=60)

    def state(self, name="vww"):
        index = self.stub.RepositoryIndex(self.pb.RepositoryIndexRequest())
        return next(((m.version, m.state) for m in index.models if m.name == name), None)

    def copy(self, name, version=1):
        target = self.daemon.folder / "models" / name / str(version)
        target.mkdir(parents=True)
        shutil.copyfile(self.file, target / "model.tflite")
        return target / "model.tflite"


class Traces(Calls):
    SERVER = "trace: {folder: .}\n"

    def set(self, **settings):
        wanted = self.pb.TraceSettingRequest(model_name="vww")
        for name, value in settings.items():
            wanted.settings[name].value.append(value)
        return self.stub.TraceSetting(wanted)

    def test_requests_of_one_model_are_traced(self):
        self.refused(lambda: self.set(trace_file="../t.json"), CODE.INVALID_ARGUMENT, "trace_file")
        self.set(trace_file="t.json", trace_level="TIMESTAMPS", trace_rate="2", trace_count="3")
        for i in range(10):
            self.stub.ModelInfer(self.request(id=f"r{i}"))
        file, deadline = self.daemon.folder / "t.json", time.monotonic() + 60
        traced = []
        while len(traced) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
            try:
                events = json.loads(file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                continue  # it is being written
            traced = [e["args"]["request_id"] for e in events if e["name"] == "compute"]
        self.assertEqual(traced, ["r0", "r2", "r4"])
        self.assertEqual(list(self.set(trace_level="OFF").settings["trace_level"].value), ["OFF"])


class Inference(Calls):
    def test_tcp_equals_the_socket(self):
        over_tcp = raw_protocol.infer(self.pb, daemon_test.STUBS[1].GRPCInferenceServiceStub(self.tcp), "vww", self.array)
        for name, array in self.daemon.infer("vww", self.array).items():
            self.assertEqual(over_tcp[name].tobytes(), array.tobytes())

    def test_classes_with_labels(self):
        self.load()  # the labels came after the start
        request = self.request()
        output = request.outputs.add(name=next(iter(self.daemon.infer("vww", self.array))))
        output.parameters["classification"].int64_param = 2
        response = self.stub.ModelInfer(request, timeout=30)
        self.assertEqual(response.outputs[0].datatype, "BYTES")
        self.assertEqual(list(response.outputs[0].shape), [1, 2])
        classes, raw = [], response.raw_output_contents[0]
        while raw:
            size, = struct.unpack_from("<I", raw)
            classes.append(raw[4:4 + size].decode())
            raw = raw[4 + size:]
        scores = next(iter(self.daemon.infer("vww", self.array).values()))[0]
        best = int(np.argmax(scores))
        self.assertEqual(classes[0], f"{scores[best]}:{best}:{['empty', 'person'][best]}")
        self.assertEqual(len(classes), 2)

    def test_parameters(self):
        request = self.request()
        request.parameters["priority"].uint64_param = 1
        request.parameters["timeout"].int64_param = 10_000_000
        request.parameters["anything"].string_param = "is ignored"
        self.stub.ModelInfer(request, timeout=30)
        request.parameters["priority"].string_param = "high"
        self.refused(lambda: self.stub.ModelInfer(request, timeout=30), CODE.INVALID_ARGUMENT,
                     "parameter 'priority' must be a whole number")

    def test_a_stream_answers_each_request_and_survives_errors(self):
        requests = [self.request(id="a"), self.request(id="b", model="nope"), self.request(id="c")]
        answers = {a.infer_response.id: a for a in self.stub.ModelStreamInfer(iter(requests), timeout=30)}
        self.assertEqual(set(answers), {"a", "b", "c"})
        self.assertIn("there is no model 'nope'", answers["b"].error_message)
        alone = next(iter(self.daemon.infer("vww", self.array).values()))
        for name in "ac":
            self.assertEqual(answers[name].infer_response.raw_output_contents[0], alone.tobytes())
            self.assertTrue(answers[name].infer_response.parameters["triton_final_response"].bool_param)

    def test_a_stream_of_many(self):
        answers = list(self.stub.ModelStreamInfer((self.request(id=str(i)) for i in range(300)), timeout=60))
        self.assertEqual({a.infer_response.id for a in answers}, {str(i) for i in range(300)})
        self.assertFalse([a.error_message for a in answers if a.error_message])

    def test_a_stream_that_ends_with_its_first_error(self):
        waiting = queue.SimpleQueue()
        waiting.put(self.request(model="nope"))
        stream = self.stub.ModelStreamInfer(iter(waiting.get, None), timeout=30,
                                            metadata=[("triton_grpc_error", "true")])
        self.refused(lambda: list(stream), CODE.NOT_FOUND, "there is no model 'nope'")
        waiting.put(None)


class Descriptions(Calls):
    def test_configuration(self):
        config = self.stub.ModelConfig(self.pb.ModelConfigRequest(name="vww")).config
        self.assertEqual((config.name, config.platform, config.backend), ("vww", "inferd_tflite", "inferd"))
        self.assertEqual(config.max_batch_size, 4)
        self.assertEqual(list(config.input[0].dims), [96, 96, 3])
        self.assertEqual(config.default_model_filename, "model.tflite")
        self.assertTrue(config.HasField("dynamic_batching"))
        self.refused(lambda: self.stub.ModelConfig(self.pb.ModelConfigRequest(name="nope")), CODE.NOT_FOUND, "nope")

    def test_statistics(self):
        self.daemon.infer("vww", self.array)
        stats = self.stub.ModelStatistics(self.pb.ModelStatisticsRequest(name="vww")).model_stats[0]
        self.assertGreater(stats.response_stats["0"].success.count, 0)
        self.assertGreater(stats.memory_usage[0].byte_size, 0)

    def test_extensions_are_those_that_work(self):
        extensions = self.stub.ServerMetadata(self.pb.ServerMetadataRequest()).extensions
        self.assertIn("model_repository", extensions)
        self.assertNotIn("cuda_shared_memory", extensions)
        self.assertIn("trace", extensions)

    def test_the_log_level_changes(self):
        pb, stub = self.pb, self.stub
        self.assertTrue(stub.LogSettings(pb.LogSettingsRequest()).settings["log_info"].bool_param)
        quiet = pb.LogSettingsRequest()
        quiet.settings["log_info"].bool_param = False
        self.assertFalse(stub.LogSettings(quiet).settings["log_info"].bool_param)
        before = self.daemon.text()
        self.load()
        self.assertEqual(self.daemon.text(), before, "a load is told as information")
        quiet.settings["log_info"].bool_param = True
        stub.LogSettings(quiet)
        self.load()
        self.assertIn("model vww version 1 serves", self.daemon.text()[len(before):])
        quiet.settings["log_file"].string_param = "/tmp/log"
        self.refused(lambda: stub.LogSettings(quiet), CODE.UNIMPLEMENTED, "'log_file'")

    def test_nothing_is_traced_without_a_folder(self):
        pb, stub = self.pb, self.stub
        self.assertEqual(list(stub.TraceSetting(pb.TraceSettingRequest()).settings["trace_level"].value), ["OFF"])
        wanted = pb.TraceSettingRequest()
        wanted.settings["trace_level"].value.append("TIMESTAMPS")
        self.refused(lambda: stub.TraceSetting(wanted), CODE.FAILED_PRECONDITION, "nothing can be traced")

    def test_shared_memory_is_off(self):
        pb, stub = self.pb, self.stub
        register = pb.SystemSharedMemoryRegisterRequest(name="r", key="/r", byte_size=1)
        self.refused(lambda: stub.SystemSharedMemoryRegister(register), CODE.FAILED_PRECONDITION,
                     "system_shared_memory: true")
        stub.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest())
        self.assertNotIn("system_shared_memory", stub.ServerMetadata(pb.ServerMetadataRequest()).extensions)

    def test_there_is_no_gpu(self):
        pb, stub = self.pb, self.stub
        self.assertFalse(stub.CudaSharedMemoryStatus(pb.CudaSharedMemoryStatusRequest()).regions)
        stub.CudaSharedMemoryUnregister(pb.CudaSharedMemoryUnregisterRequest())
        register = pb.CudaSharedMemoryRegisterRequest(name="r", raw_handle=b"x", byte_size=1)
        self.refused(lambda: stub.CudaSharedMemoryRegister(register), CODE.UNIMPLEMENTED, "no GPU")


class Repository(Calls):
    def test_a_model_comes_changes_and_goes(self):
        self.copy("late")
        self.refused(lambda: self.daemon.infer("late", self.array), CODE.NOT_FOUND, "no model 'late'")
        self.load("late")
        self.assertEqual(self.state("late"), ("1", "READY"))
        self.daemon.infer("late", self.array)
        self.copy("late", version=2)
        self.load("late")
        self.assertEqual(self.state("late"), ("2", "READY"))
        self.stub.RepositoryModelUnload(self.pb.RepositoryModelUnloadRequest(model_name="late"))
        self.assertEqual(self.state("late"), ("", "UNAVAILABLE"))
        self.refused(lambda: self.daemon.infer("late", self.array), CODE.NOT_FOUND, "no model 'late'")
        self.assertFalse(self.stub.ModelReady(self.pb.ModelReadyRequest(name="late")).ready)

    def test_a_damaged_version_changes_nothing(self):
        self.copy("frail")
        self.load("frail")
        expected = self.daemon.infer("frail", self.array)
        self.copy("frail", version=2).write_bytes(b"damaged")
        self.refused(lambda: self.load("frail"), CODE.INVALID_ARGUMENT, "frail/2/model.tflite")
        self.assertEqual(self.state("frail"), ("1", "READY"))
        for name, array in self.daemon.infer("frail", self.array).items():
            self.assertEqual(array.tobytes(), expected[name].tobytes())

    def test_reloads_under_load_lose_no_request(self):
        stop = time.monotonic() + 3
        calls, loads = [], 0
        while time.monotonic() < stop:
            calls += [self.stub.ModelInfer.future(self.request(), timeout=60) for _ in range(8)]
            self.load()
            loads += 1
        expected = next(iter(self.daemon.infer("vww", self.array).values())).tobytes()
        for call in calls:
            self.assertEqual(call.result().raw_output_contents[0], expected)
        self.assertGreater(loads, 1)

    def test_only_models_of_the_repository(self):
        for name in ("../models/vww", "..", "/etc", "vww/1", ".x"):
            with self.subTest(name):
                self.refused(lambda: self.load(name), CODE.INVALID_ARGUMENT, "is not a model name")
        self.refused(lambda: self.load("absent"), CODE.NOT_FOUND, "no model 'absent'")

    def test_parameters_of_loads(self):
        request = self.pb.RepositoryModelLoadRequest(model_name="vww")
        request.parameters["config"].string_param = "{}"
        self.refused(lambda: self.stub.RepositoryModelLoad(request), CODE.UNIMPLEMENTED, "load parameter 'config'")
        request.parameters.clear()
        request.parameters["file:1/model.tflite"].bytes_param = b"x"
        self.refused(lambda: self.stub.RepositoryModelLoad(request), CODE.ALREADY_EXISTS, "versions never change")
        request.parameters["file:1/model.tflite"].string_param = "x"
        self.refused(lambda: self.stub.RepositoryModelLoad(request), CODE.INVALID_ARGUMENT, "must be a bytes_param")
        named = self.pb.RepositoryModelLoadRequest(repository_name="other", model_name="vww")
        self.refused(lambda: self.stub.RepositoryModelLoad(named), CODE.UNIMPLEMENTED, "repository_name 'other'")

    def test_kserves_layout_on_the_wire(self):
        """KServe has the model's name in field 1 of the request, and answers the name and a bool."""
        self.copy("kserve")
        field_1 = b"\x0a\x06kserve"
        answer = b"\x0a\x06kserve\x10\x01"
        for call in ("RepositoryModelLoad", "RepositoryModelUnload"):
            raw = self.daemon.channel.unary_unary(f"/inference.GRPCInferenceService/{call}")
            self.assertEqual(raw(field_1, timeout=60), answer)
        self.assertEqual(self.state("kserve"), ("", "UNAVAILABLE"))


class SharedMemory(Calls):
    SERVER = "  system_shared_memory: true\n"

    def test_tensors_travel_in_shared_memory_until_it_is_truncated(self):
        pb, stub = self.pb, self.stub
        array = self.array[self.input]
        region = shared_memory.SharedMemory(create=True, size=array.nbytes + 64)
        try:
            register = pb.SystemSharedMemoryRegisterRequest(name="r", key=region.name, byte_size=array.nbytes + 64)
            stub.SystemSharedMemoryRegister(register)
            self.refused(lambda: stub.SystemSharedMemoryRegister(register), CODE.ALREADY_EXISTS, "already in manager")
            region.buf[:array.nbytes] = array.tobytes()
            expected = self.daemon.infer("vww", self.array)
            output, = expected
            request = pb.ModelInferRequest(model_name="vww")
            tensor = request.inputs.add(name=self.input, datatype="INT8", shape=array.shape)
            tensor.parameters["shared_memory_region"].string_param = "r"
            tensor.parameters["shared_memory_byte_size"].int64_param = array.nbytes
            wanted = request.outputs.add(name=output)
            wanted.parameters["shared_memory_region"].string_param = "r"
            wanted.parameters["shared_memory_offset"].int64_param = array.nbytes
            wanted.parameters["shared_memory_byte_size"].int64_param = 64
            response = stub.ModelInfer(request, timeout=30)
            size = response.outputs[0].parameters["shared_memory_byte_size"].int64_param
            self.assertEqual(bytes(region.buf[array.nbytes:array.nbytes + size]), expected[output].tobytes())
            self.assertIn("r", stub.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest()).regions)
            os.truncate("/dev/shm/" + region.name, 10)
            self.refused(lambda: stub.ModelInfer(request, timeout=30), CODE.DATA_LOSS, "is shorter")
            self.daemon.infer("vww", self.array)
        finally:
            region.close()
            region.unlink()


class Limits(Calls):
    def status(self, key):
        text = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(key + ":")))

    def connect(self):
        """A connection as gRPC has it, without calls."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.daemon.endpoint.removeprefix("unix:"))
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))  # empty SETTINGS
        connection.settimeout(30)
        self.assertTrue(connection.recv(100))  # its own settings: it has accepted
        return connection

    def test_idle_connections_cost_no_threads(self):
        connections = [self.connect()]
        self.daemon.infer("vww", self.array)
        threads = self.status("Threads")
        try:
            connections += [self.connect() for _ in range(400)]
            self.daemon.infer("vww", self.array)
            # gRPC starts some threads of its own when there is work for them, whoever brings it.
            self.assertLessEqual(self.status("Threads"), threads + 16)
        finally:
            for connection in connections:
                connection.close()
        self.daemon.infer("vww", self.array)

    def test_more_calls_than_a_connection_may_have_wait_for_their_turn(self):
        calls = [self.stub.ModelInfer.future(self.request(), timeout=120) for _ in range(600)]
        codes = {call.code() for call in calls}
        # At most 256 at a time, one of which at least runs: the queue of 256 always has room.
        self.assertEqual(codes, {CODE.OK})

    def test_what_would_be_large_once_unpacked_is_refused_and_takes_no_memory(self):
        request = self.request()
        request.parameters["ballast"].string_param = "x" * (256 << 20)
        before = self.status("VmHWM")
        self.refused(lambda: self.stub.ModelInfer(request, timeout=120, compression=grpc.Compression.Gzip),
                     CODE.UNIMPLEMENTED, "'gzip' is disabled")
        self.assertLess(self.status("VmHWM") - before, 64 << 10, "KiB")


class Compression(Calls):
    SERVER = "  accept_compression: true\n"

    def test_compressed_requests(self):
        plain = self.stub.ModelInfer(self.request(), timeout=30)
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            self.assertEqual(self.stub.ModelInfer(self.request(), timeout=30, compression=compression), plain)


if __name__ == "__main__":
    daemon_test.main()
