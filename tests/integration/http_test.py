#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP as its users meet it: a daemon started as a process, asked with Python's own client and byte by byte."""
import argparse
import concurrent.futures
import http.client
import json
import pathlib
import re
import socket
import struct
import sys
import time
import unittest

from daemon_process import DaemonProcess
from unix_http import UnixConnection

ARGS = None


class Daemon(DaemonProcess):
    """A daemon with one model, "vww", on a TCP port that the system chose and on a socket."""

    def __init__(self, options="", settings="", more=""):
        file = ARGS.models / "tflite/vww_96_int8.tflite"
        if not file.exists():
            raise unittest.SkipTest(f"SKIPPED: no model {file}")
        super().__init__(ARGS.inferd)
        self.add_model("vww", file)
        self.configure(f"server:\n  grpc: [unix:s]\n  http:\n    - {{address: '127.0.0.1:0'{options}}}\n"
                       f"    - {{address: unix:h{options}}}\n{settings}"
                       "models: {root: models, serve: [{name: vww, max_batch: 4}]}\n" + more)
        self.path = self.folder / "h"
        self.start(lambda: self.chosen_port() is not None)
        self.port = self.chosen_port()

    def chosen_port(self):
        found = re.search(r"serving HTTP on 127.0.0.1:(\d+)", self.text())
        return int(found[1]) if found else None

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Code, headers and body of the answer."""
        own = connection or self.connect()
        own.request(method, path, body, headers or {})
        response = own.getresponse()
        data = response.read()
        if connection is None:
            own.close()
        return response.status, response.headers, data

    def json(self, method, path, body=None):
        code, headers, data = self.ask(method, path, None if body is None else json.dumps(body))
        assert headers["Content-Type"] == "application/json", headers
        return code, json.loads(data)

    def peak_memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def threads(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()))


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()


class Looking(WithDaemon):
    """Everything but inference."""

    def test_health_is_a_code_without_a_body(self):
        for path, expected in [("/v2/health/live", 200), ("/v2/health/ready", 200), ("/v2/models/vww/ready", 200),
                               ("/v2/models/vww/versions/1/ready", 200), ("/v2/models/vww/versions/2/ready", 400),
                               ("/v2/models/nope/ready", 400)]:
            with self.subTest(path=path):
                code, _, body = self.daemon.ask("GET", path)
                self.assertEqual((code, body), (expected, b""))

    def test_metadata(self):
        code, server = self.daemon.json("GET", "/v2")
        self.assertEqual((code, server["name"]), (200, "inferd"))
        self.assertIn("binary_tensor_data", server["extensions"])
        for path in ("/v2/models/vww", "/v2/models/vww/versions/1", "/v2/models/%76ww"):
            code, model = self.daemon.json("GET", path)
            self.assertEqual(code, 200)
            self.assertEqual((model["name"], model["versions"], model["platform"]), ("vww", ["1"], "inferd_tflite"))
            self.assertEqual(model["inputs"][0]["datatype"], "INT8")
            self.assertEqual(model["inputs"][0]["shape"], [-1, 96, 96, 3])
            self.assertEqual(model["outputs"][0]["shape"], [-1, 2])

    def test_the_index_and_statistics(self):
        code, index = self.daemon.json("POST", "/v2/repository/index")
        self.assertEqual((code, index), (200, [{"name": "vww", "version": "1", "state": "READY", "reason": ""}]))
        self.assertEqual(len(self.daemon.json("POST", "/v2/repository/index", {"ready": True})[1]), 1)
        for path in ("/v2/models/stats", "/v2/models/vww/stats", "/v2/models/vww/versions/1/stats"):
            code, stats = self.daemon.json("GET", path)
            self.assertEqual(code, 200)
            self.assertEqual(stats["model_stats"][0]["name"], "vww")
            self.assertIn("count", stats["model_stats"][0]["inference_stats"]["queue"])

    def test_mistakes_are_told(self):
        cases = [("GET", "/v2/models/nope", None, 404, "there is no model 'nope'; loaded: vww"),
                 ("GET", "/v2/models/vww/versions/9", None, 404, "has no version 9"),
                 ("GET", "/v2/models/vww/versions/x", None, 400, "not a positive number"),
                 ("GET", "/v2/nothing", None, 404, "there is nothing at '/v2/nothing'"),
                 ("GET", "/v2/", None, 404, "nothing at"),
                 ("GET", "/v2/models/vww%00", None, 404, "nothing at"),
                 ("POST", "/v2/models/vww", None, 405, "takes GET, HEAD, not POST"),
                 ("DELETE", "/v2/repository/index", None, 405, "takes POST, not DELETE"),
                 ("POST", "/v2/repository/main/index", None, 501, "there is one repository, which has no name"),
                 ("POST", "/v2/repository/index", "{", 400, "malformed at byte"),
                 ("POST", "/v2/repository/index", "[]", 400, "must be a JSON object"),
                 ("POST", "/v2/repository/index", '{"ready": 1}', 400, "must be true or false"),
                 ("POST", "/v2/repository/index", "[" * 100000, 400, "nested deeper")]
        for method, path, body, expected, message in cases:
            with self.subTest(method=method, path=path, body=(body or "")[:10]):
                code, headers, answer = self.daemon.ask(method, path, body)
                self.assertEqual(code, expected, answer)
                self.assertIn(message, json.loads(answer)["error"])
                if expected == 405:
                    self.assertIn(headers["Allow"], ("POST", "GET, HEAD"))

    def test_the_socket_serves_as_the_port_does(self):
        self.assertEqual(self.daemon.path.stat().st_mode & 0o777, 0o660)
        connection = UnixConnection(self.daemon.path)
        for _ in range(3):
            code, _, body = self.daemon.ask("GET", "/v2/models/vww", connection=connection)
            self.assertEqual((code, json.loads(body)), self.daemon.json("GET", "/v2/models/vww"))
        connection.close()

    def test_head_has_the_headers_of_get(self):
        connection = self.daemon.connect()
        _, get, body = self.daemon.ask("GET", "/v2/models/vww", connection=connection)
        code, head, nothing = self.daemon.ask("HEAD", "/v2/models/vww", connection=connection)
        self.assertEqual((code, nothing), (200, b""))
        self.assertEqual(head["Content-Length"], str(len(body)))
        self.assertEqual(head["Content-Type"], get["Content-Type"])
        self.assertEqual(self.daemon.ask("GET", "/v2/health/live", connection=connection)[0], 200)
        connection.close()


class Inference(WithDaemon):
    INPUT, OUTPUT, SHAPE = "input_1_int8", "Identity_int8", [1, 96, 96, 3]
    SIZE = 96 * 96 * 3

    def values(self, seed=0):
        return [(i * 7 + seed * 13) % 251 - 125 for i in range(self.SIZE)]

    def raw(self, seed=0):
        return struct.pack(f"{self.SIZE}b", *self.values(seed))

    def infer(self, body, headers=None, path="/v2/models/vww/infer", connection=None):
        return self.daemon.ask("POST", path, body, headers, connection)

    def as_json(self, seed=0, **more):
        tensor = {"name": self.INPUT, "shape": self.SHAPE, "datatype": "INT8", "data": self.values(seed)}
        return json.dumps({"inputs": [tensor], **more})

    def as_bytes(self, seed=0, outputs=None):
        tensor = {"name": self.INPUT, "shape": self.SHAPE, "datatype": "INT8",
                  "parameters": {"binary_data_size": self.SIZE}}
        head = json.dumps({"inputs": [tensor], **({"outputs": outputs} if outputs else {})}).encode()
        return head + self.raw(seed), {"Inference-Header-Content-Length": str(len(head))}

    def binary_answer(self, headers, body):
        size = int(headers["Inference-Header-Content-Length"])
        return json.loads(body[:size]), body[size:]

    def test_every_way_to_ask_gives_the_same(self):
        code, _, body = self.infer(self.as_json(id="seven"))
        self.assertEqual(code, 200, body)
        answer = json.loads(body)
        self.assertEqual((answer["model_name"], answer["model_version"], answer["id"]), ("vww", "1", "seven"))
        output = answer["outputs"][0]
        self.assertEqual((output["name"], output["datatype"], output["shape"]), (self.OUTPUT, "INT8", [1, 2]))
        expected = output["data"]
        self.assertEqual(len(expected), 2)

        body, headers = self.as_bytes()
        code, _, answer = self.infer(body, headers, path="/v2/models/vww/versions/1/infer")
        self.assertEqual((code, json.loads(answer)["outputs"][0]["data"]), (200, expected))

        body, headers = self.as_bytes(outputs=[{"name": self.OUTPUT, "parameters": {"binary_data": True}}])
        code, headers, answer = self.infer(body, headers)
        described, data = self.binary_answer(headers, answer)
        self.assertEqual((code, described["outputs"][0]["parameters"]), (200, {"binary_data_size": 2}))
        self.assertEqual(list(struct.unpack("2b", data)), expected)

        code, headers, answer = self.infer(self.raw(), {"Inference-Header-Content-Length": "0"})
        described, data = self.binary_answer(headers, answer)
        self.assertEqual((code, list(struct.unpack("2b", data))), (200, expected))

        nested = [[self.values()[r * 288:(r + 1) * 288] for r in range(96)]]
        tensor = {"data": nested, "datatype": "INT8", "name": self.INPUT, "shape": self.SHAPE}
        code, _, answer = self.infer(json.dumps({"inputs": [tensor]}))
        self.assertEqual((code, json.loads(answer)["outputs"][0]["data"]), (200, expected))

    def test_classes(self):
        code, _, body = self.infer(self.as_json(outputs=[{"name": self.OUTPUT, "parameters": {"classification": 1}}]))
        output = json.loads(body)["outputs"][0]
        self.assertEqual((code, output["datatype"], output["shape"]), (200, "BYTES", [1, 1]))
        self.assertRegex(output["data"][0], r"^-?\d+(\.\d+)?:[01]$")

    def test_many_clients_get_their_own_answers(self):
        expected = [json.loads(self.infer(self.as_json(seed))[2])["outputs"][0]["data"] for seed in range(8)]
        self.assertGreater(len(set(map(tuple, expected))), 1)

        def client(seed):
            connection = UnixConnection(self.daemon.path)
            answers = [self.infer(*self.as_bytes(seed), connection=connection) for _ in range(20)]
            connection.close()
            return answers

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for seed, answers in enumerate(pool.map(client, range(8))):
                for code, _, body in answers:
                    self.assertEqual((code, json.loads(body)["outputs"][0]["data"]), (200, expected[seed]))

    def test_mistakes_are_told(self):
        body, headers = self.as_bytes()
        cases = [
            ("{", {}, 400, "malformed at byte 2"),
            ("[" * 1000000, {}, 400, "nested deeper than"),
            ("{}", {}, 400, "is missing"),
            (self.as_json().replace("INT8", "FP32"), {}, 400, "has datatype 'FP32'"),
            (self.as_json().replace("[1, 96", "[1, 95"), {}, 400, "27648 elements, shape [1,95,96,3] needs 27360"),
            (self.as_json().replace('"data": [-125', '"data": [-129'), {}, 400, "element 0 is -129"),
            (self.as_json(outputs=[{"name": "z"}]), {}, 400, "no output 'z'"),
            (body[:-1], headers, 400, "only 27647 bytes are left"),
            (body + b"x", headers, 400, "1 bytes of binary data belong to no input"),
            (body, {"Inference-Header-Content-Length": "999999999"}, 400, "the body has"),
            (body, {"Inference-Header-Content-Length": "many"}, 400, "is not a number"),
            (self.raw()[:-1], {"Inference-Header-Content-Length": "0"}, 400, "shape"),
        ]
        for body, headers, expected, message in cases:
            with self.subTest(message=message):
                code, _, answer = self.infer(body, headers)
                self.assertEqual(code, expected, answer)
                self.assertIn(message, json.loads(answer)["error"])
        self.assertEqual(self.infer("{}", path="/v2/models/nope/infer")[0], 404)
        self.assertEqual(self.daemon.ask("GET", "/v2/models/vww/infer")[0], 405)
        self.assertEqual(self.infer(self.as_json())[0], 200)

    def metrics(self):
        code, headers, body = self.daemon.ask("GET", "/metrics")
        self.assertEqual((code, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        series = {}
        for line in body.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                self.assertRegex(name, r'^[a-z_]+(\{([a-z_]+="[^"]*",?)+\})?$')
                self.assertNotIn(name, series)
                series[name] = float(value)
        return series

    def test_metrics_count_what_was_asked(self):
        model = 'model="vww",version="1"'
        before = self.metrics()
        for seed in range(3):
            self.assertEqual(self.infer(*self.as_bytes(seed))[0], 200)
        self.assertEqual(self.infer(b"abc", {"Inference-Header-Content-Length": "0"})[0], 400)
        after = self.metrics()

        def grown(name):
            return after[name] - before[name]

        self.assertEqual(grown(f"nv_inference_request_success{{{model}}}"), 3)
        self.assertEqual(grown(f"nv_inference_count{{{model}}}"), 3)
        self.assertEqual(grown(f'nv_inference_request_failure{{{model},reason="OTHER"}}'), 1)
        self.assertEqual(grown(f'nv_inference_request_failure{{{model},reason="BACKEND"}}'), 0)
        self.assertEqual(grown(f'inferd_requests_refused_total{{{model},reason="invalid"}}'), 1)
        self.assertEqual(grown(f'inferd_request_duration_seconds_bucket{{{model},le="+Inf"}}'), 3)
        self.assertEqual(grown(f"inferd_compute_duration_seconds_count{{{model}}}"), 3)
        self.assertEqual(grown(f'inferd_batch_size_bucket{{{model},le="1"}}'), 3)
        self.assertGreater(grown(f"nv_inference_compute_infer_duration_us{{{model}}}"), 0)
        self.assertGreater(after[f'inferd_model_memory_bytes{{{model},kind="weights"}}'], 0)
        self.assertGreater(after[f'inferd_model_memory_bytes{{{model},kind="arena"}}'], 0)
        self.assertGreater(after["process_resident_memory_bytes"], 1 << 20)
        self.assertEqual(after["inferd_ready"], 1)

    def test_a_body_that_would_fill_memory_does_not(self):
        before = self.daemon.peak_memory()
        for hostile in ("[" * (60 << 20), "[" + "[]," * (20 << 20) + "[]]", "[" + "0," * (30 << 20) + "0]"):
            code, _, answer = self.infer(hostile)
            self.assertEqual(code, 400, answer[:200])
        # The body itself, what its values may take, and what vectors leave unused.
        self.assertLess(self.daemon.peak_memory() - before, 600 << 20)


class Pipelines(unittest.TestCase):
    def test_their_frames_are_counted(self):
        pipeline = ("pipelines:\n  - {name: cam, source: {test_pattern: {width: 96, height: 96, fps: 100}}, "
                    "stages: [{infer: {model: vww}}]}\n")
        with Daemon(more=pipeline) as daemon:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                text = daemon.ask("GET", "/metrics")[2].decode()
                processed = re.search(r'inferd_pipeline_processed_frames_total{pipeline="cam"} (\d+)', text)
                if int(processed[1]) > 5:
                    break
                time.sleep(0.05)
            self.assertGreater(int(processed[1]), 5, text)
            for name in ("captured_frames_total", "dropped_frames_total", "failed_frames_total", "running"):
                self.assertIn(f'inferd_pipeline_{name}{{pipeline="cam"}}', text)
            self.assertIn('inferd_pipeline_latency_seconds{pipeline="cam",quantile="0.5"}', text)
            self.assertIn('inferd_pipeline_stage_seconds_total{pipeline="cam",node="main",stage="infer"}', text)


class Crowds(unittest.TestCase):
    def test_idle_clients_cost_no_threads(self):
        with Daemon() as daemon:
            before = daemon.threads()
            idle = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(500)]
            try:
                self.assertEqual(daemon.ask("GET", "/v2/health/ready")[0], 200)
                # All of them are served, none by a thread of its own.
                for client in idle:
                    client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                for client in idle:
                    self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200"))
                # gRPC may add some of its own meanwhile.
                self.assertLessEqual(daemon.threads(), before + 16)
            finally:
                for client in idle:
                    client.close()

    def test_slow_clients_are_left_and_harm_nobody(self):
        with Daemon(options=", timeout_s: 1, max_connections: 16") as daemon:
            slow = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(10)]
            for client in slow:
                client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nX: ")
            deadline = time.monotonic() + 20
            while slow and time.monotonic() < deadline:
                time.sleep(0.2)
                self.assertEqual(daemon.ask("GET", "/v2/health/live")[0], 200)
                for client in list(slow):
                    try:
                        client.sendall(b"x")
                        client.setblocking(False)
                        if client.recv(1) == b"":
                            raise ConnectionResetError
                    except BlockingIOError:
                        client.setblocking(True)
                    except ConnectionError:
                        client.close()
                        slow.remove(client)
            self.assertEqual(slow, [])

    def test_a_body_over_the_limit_is_413(self):
        with Daemon(settings="  max_message_bytes: 100000\n") as daemon:
            connection = daemon.connect()
            code, _, body = daemon.ask("POST", "/v2/repository/index", b"x" * 100001, connection=connection)
            self.assertEqual(code, 413)
            self.assertIn("larger than server.max_message_bytes, 100000", json.loads(body)["error"])
            code, _, _ = daemon.ask("POST", "/v2/repository/index", b" " * 99998 + b"{}", connection=connection)
            self.assertEqual(code, 200)
            connection.close()

    def test_pipelined_requests_are_answered_in_order(self):
        with Daemon() as daemon:
            client = socket.create_connection(("127.0.0.1", daemon.port))
            paths = ["/v2/health/live", "/v2", "/v2/models/vww", "/nothing"] * 10
            client.sendall(b"".join(f"GET {p} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for p in paths))
            stream = client.makefile("rb")
            for path in paths:
                status = stream.readline().split()[1]
                headers = http.client.parse_headers(stream)
                body = stream.read(int(headers["Content-Length"]))
                self.assertEqual(status, b"404" if path == "/nothing" else b"200")
                if path == "/v2/models/vww":
                    self.assertEqual(json.loads(body)["name"], "vww")
            stream.close()
            client.close()

    def test_sigterm_ends_idle_connections_and_exits_0(self):
        daemon = Daemon()
        idle = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(20)]
        self.assertEqual(daemon.stop(), 0)
        for client in idle:
            client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
