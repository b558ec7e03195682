#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what over HTTP, encrypted and not, and what administrators do: a real daemon and Python's own client."""
import argparse
import base64
import gzip
import http.client
import json
import mmap
import os
import pathlib
import re
import ssl
import struct
import subprocess
import sys
import unittest
import zlib

import keys
from daemon_process import DaemonProcess, wait_until
from unix_http import UnixConnection

ARGS = None
TOKEN = "a-token-that-is-long-enough"
NOBODY = 65534


class Daemon(DaemonProcess):
    """A daemon with two scripted models, `copy` and `wide`; `http` is the list of its listeners."""

    def __init__(self, http, settings=""):
        super().__init__(ARGS.inferd)
        self.folder.chmod(0o755)
        self.add_model("copy", {"backend": "identity", "inputs": [{"shape": [-1, 2]}]})
        self.add_model("wide", {"backend": "identity", "inputs": [{"shape": [1, -1]}]})
        (self.folder / "tokens").write_text(TOKEN + "\n")
        (self.folder / "tokens").chmod(0o600)
        self.configure(f"server:\n  grpc: [unix:grpc.sock]\n  http:\n{http}{settings}models: {{root: models}}\n")
        self.start(lambda: "serving on unix:" in self.text())
        # "serving HTTPS on 127.0.0.1:4711", in the order of the listeners
        self.addresses = [line.rsplit(" ", 1)[1] for line in self.text().splitlines() if "serving HTTP" in line]

    def port(self, listener=0):
        return int(self.addresses[listener].rsplit(":", 1)[1])


def ask(connection, method, path, body=None, headers=None):
    """Code, headers and body of the answer; the connection is closed."""
    try:
        connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


def tensor(values, **more):
    return {"name": "INPUT0", "datatype": "FP32", "shape": [1, len(values)], "data": values, **more}


INFER = {"inputs": [tensor([1, 2])]}


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = keys.Keys()
        cls.keys.authority("ca")
        cls.keys.certificate("server", "ca", "subjectAltName=IP:127.0.0.1")
        for name in ("arm", "leg"):
            cls.keys.certificate(name, "ca")
        cls.keys.certificate("other-server", "ca", "extendedKeyUsage=serverAuth", name="arm")
        cls.keys.authority("other-ca")
        cls.keys.certificate("stranger", "other-ca", name="arm")
        cls.keys.certificate("late", "ca", name="arm", days=-1)
        tls = ", ".join(f"{key}: {cls.keys / name}" for key, name in
                        [("certificate", "server.pem"), ("key", "server.key"), ("client_ca", "ca.pem")])
        # With tokens, a certificate may be shown; without, it must.
        cls.daemon = Daemon(f"    - address: 127.0.0.1:0\n      tls: {{{tls}}}\n      allow:\n"
                            "        - {roles: [infer], subjects: [arm]}\n"
                            "        - {roles: [observe], tokens: tokens}\n"
                            f"    - address: 127.0.0.1:0\n      tls: {{{tls}}}\n      allow:\n"
                            "        - {roles: [admin], subjects: [arm]}\n")

    @classmethod
    def tearDownClass(cls):
        cls.keys.remove()
        assert cls.daemon.stop() == 0, cls.daemon.text()

    def ask(self, method, path, body=None, headers=None, client=None, listener=0, newest=None):
        context = ssl.create_default_context(cafile=self.keys / "ca.pem")
        if client:
            context.load_cert_chain(self.keys / f"{client}.pem", self.keys / f"{client}.key")
        if newest:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        port = self.daemon.port(listener)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        return ask(connection, method, path, body, headers)

    def code(self, *arguments, **more):
        return self.ask(*arguments, **more)[0]

    def test_a_certificate_gives_its_subjects_roles(self):
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            code, _, body = self.ask("POST", "/v2/models/copy/infer", INFER, client="arm", newest=newest)
            self.assertEqual((code, json.loads(body)["outputs"][0]["data"]), (200, [1, 2]))
        self.assertEqual(self.code("GET", "/v2/models/copy", client="arm"), 200)
        code, _, body = self.ask("GET", "/metrics", client="arm")
        self.assertEqual(code, 403)
        self.assertEqual(json.loads(body)["error"],
                         "GET /metrics needs the role 'observe', and the caller has: infer")
        self.assertEqual(self.code("GET", "/v2/health/ready", client="leg"), 200)
        self.assertEqual(self.code("GET", "/v2", client="leg"), 401)
        self.assertEqual(self.code("GET", "/v2", client="leg", listener=1), 403)
        self.assertEqual(self.code("POST", "/v2/repository/index", client="arm", listener=1), 200)

    def test_who_shows_a_wrong_certificate_does_not_connect(self):
        for client in ("stranger", "other-server", "late"):
            for listener in (0, 1):
                with self.subTest(client=client, listener=listener):
                    with self.assertRaises((OSError, http.client.HTTPException)):
                        self.ask("GET", "/v2/health/live", client=client, listener=listener)

    def test_a_certificate_is_needed_where_nothing_else_tells_who_it_is(self):
        self.assertEqual(self.code("GET", "/v2/health/live"), 200)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.ask("GET", "/v2/health/live", listener=1)

    def test_old_versions_and_plain_text_are_refused(self):
        with self.assertRaises(OSError):
            self.ask("GET", "/v2/health/live", newest=ssl.TLSVersion.TLSv1_1)
        plain = http.client.HTTPConnection("127.0.0.1", self.daemon.port(), timeout=60)
        with self.assertRaises((OSError, http.client.HTTPException)):
            ask(plain, "GET", "/v2/health/live")
        self.assertEqual(self.code("GET", "/v2/health/live"), 200)

    def test_failed_handshakes_are_counted_and_the_log_says_why(self):
        def count():
            page = self.ask("GET", "/metrics", headers=bearer())[2].decode()
            return float(re.search(r"^inferd_http_failed_handshakes_total (\S+)$", page, re.M)[1])

        def fails(why, **how):
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.ask("GET", "/v2/health/live", **how)
            # One a second is logged.
            return re.search(rf"a TLS handshake on 127.0.0.1:\d+ failed \(\d+ so far\): {why}", self.daemon.text())
        before = count()
        self.assertEqual(count(), before, "one that succeeds")
        wait_until(lambda: fails("the client's certificate is refused: .*NOT trusted", client="stranger"), "the log says why")
        wait_until(lambda: count() > before, "it is counted")
        wait_until(lambda: fails("nothing came after the client's 'CLIENT HELLO'", newest=ssl.TLSVersion.TLSv1_1),
                   "the log says how far it came")

    def test_a_token_gives_roles_without_a_certificate(self):
        code, headers, body = self.ask("POST", "/v2/repository/index")
        self.assertEqual((code, headers["WWW-Authenticate"]), (401, 'Bearer realm="inferd"'))
        self.assertIn("needs the role 'observe'", json.loads(body)["error"])
        self.assertEqual(self.code("POST", "/v2/repository/index", headers=bearer()), 200)
        for wrong in (bearer(TOKEN + "x"), bearer(""), {"Authorization": f"Basic {TOKEN}"}):
            code, headers, _ = self.ask("POST", "/v2/repository/index", headers=wrong)
            self.assertEqual((code, headers["WWW-Authenticate"]),
                             (401, 'Bearer realm="inferd", error="invalid_token"'))
        self.assertEqual(self.code("POST", "/v2/logging", {"log_info": True}, headers=bearer()), 403)

    def test_roles_of_certificate_and_token_add_up(self):
        for path, method in (("/v2/models/copy/infer", "POST"), ("/metrics", "GET")):
            body = INFER if method == "POST" else None
            self.assertEqual(self.code(method, path, body, bearer(), client="arm"), 200)

    def test_a_connection_serves_many_and_large_requests(self):
        context = ssl.create_default_context(cafile=self.keys / "ca.pem")
        context.load_cert_chain(self.keys / "arm.pem", self.keys / "arm.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.daemon.port(), timeout=60, context=context)
        for size in (2, 20_000, 4_000_000, 2):
            raw = struct.pack(f"<{size}f", *([0.5] * size))
            connection.request("POST", "/v2/models/wide/infer", raw, {"Inference-Header-Content-Length": "0"})
            response = connection.getresponse()
            body = response.read()
            self.assertEqual(response.status, 200, body[:200])
            self.assertEqual(body[int(response.headers["Inference-Header-Content-Length"]):], raw)
        connection.close()


@unittest.skipIf(os.getuid() != 0, "SKIPPED: only root can be somebody else")
class UnixUsers(unittest.TestCase):
    def test_each_has_its_roles(self):
        daemon = Daemon("    - address: unix:h\n      mode: '0666'\n      allow:\n"
                        "        - {roles: [admin], users: [root]}\n"
                        f"        - {{roles: [infer], users: ['{NOBODY}']}}\n")
        try:
            path = daemon.folder / "h"
            self.assertEqual(ask(UnixConnection(path), "GET", "/metrics")[0], 200)
            curl = ["curl", "-s", "--unix-socket", str(path)]
            for route, expected in (("/v2/models/copy", '"name":"copy"'),
                                    ("/metrics", "GET /metrics needs the role 'observe', and the caller has: infer")):
                answer = subprocess.run(curl + ["http://localhost" + route], capture_output=True, text=True, timeout=60,
                                        user=NOBODY, extra_groups=[])
                self.assertIn(expected, answer.stdout)
        finally:
            self.assertEqual(daemon.stop(), 0)


class Administration(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("    - 127.0.0.1:0\n", "  system_shared_memory: true\n  accept_compression: true\n")

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)

    def ask(self, method, path, body=None, headers=None):
        return ask(http.client.HTTPConnection("127.0.0.1", self.daemon.port(), timeout=60), method, path, body, headers)

    def json(self, method, path, body=None):
        code, _, answer = self.ask(method, path, body)
        return code, json.loads(answer) if answer else None

    def error(self, method, path, body=None):
        code, answer = self.json(method, path, body)
        return code, answer["error"]

    def test_models_are_loaded_and_unloaded(self):
        self.daemon.add_model("late", {"backend": "identity", "inputs": [{"shape": [-1, 1]}]})
        self.assertEqual(self.json("GET", "/v2/models/late")[0], 404)
        self.assertEqual(self.json("POST", "/v2/repository/models/late/load"), (200, None))
        self.assertEqual(self.ask("GET", "/v2/models/late/ready")[0], 200)
        body = {"parameters": {"unload_dependents": True}}
        self.assertEqual(self.json("POST", "/v2/repository/models/late/unload", body), (200, None))
        self.assertEqual(self.ask("GET", "/v2/models/late/ready")[0], 400)
        index = {m["name"]: (m["version"], m["state"]) for m in self.json("POST", "/v2/repository/index")[1]}
        self.assertEqual(index, {"copy": ("1", "READY"), "wide": ("1", "READY"), "late": ("", "UNAVAILABLE")})
        for path, body, code, message in [
                ("models/nope/load", None, 404, "nope"),
                ("models/nope/unload", None, 404, "nope"),
                ("models/copy/load", {"parameters": {"config": "{}"}}, 501, "'config' is not served without"),
                ("models/copy/load", {"parameters": {"file:1/model.onnx": "AAAA" * 50000}}, 400, "versions never change"),
                ("models/copy/load", {"parameters": {"file:1/model.onnx": "A"}}, 400, "is not base64"),
                ("models/copy/load", {"parameters": {"file:1/model.onnx": 1}}, 400, "must be a text"),
                ("models/copy/load", {"parameters": {"color": 1}}, 400, "unknown load parameter 'color'"),
                ("models/copy/load", {"parameters": []}, 400, "'parameters' must be an object"),
                ("main/models/copy/load", None, 501, "which has no name")]:
            with self.subTest(path=path, message=message):
                answer = self.error("POST", "/v2/repository/" + path, body)
                self.assertEqual(answer[0], code)
                self.assertIn(message, answer[1])

    def test_a_version_comes_with_the_call_that_loads_it(self):
        model = json.dumps({"backend": "scale", "factor": 3, "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]})
        parameters = {"config": '{"max_batch_size": 7}', "file:4/model.test": base64.b64encode(model.encode()).decode()}
        load = ("POST", "/v2/repository/models/sent/load", {"parameters": parameters})
        self.assertEqual(self.json(*load), (200, None))
        self.assertEqual(self.json("GET", "/v2/models/sent")[1]["versions"], ["4"])
        self.assertEqual(self.json("GET", "/v2/models/sent/config")[1]["max_batch_size"], 7)
        inputs = [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]
        answer = self.json("POST", "/v2/models/sent/infer", {"inputs": inputs})[1]
        self.assertEqual(answer["outputs"][0]["data"], [3, 6])

    def test_a_configuration_in_tritons_words(self):
        for path in ("/v2/models/copy/config", "/v2/models/copy/versions/1/config"):
            code, config = self.json("GET", path)
            self.assertEqual((code, config["name"], config["platform"], config["backend"]),
                             (200, "copy", "inferd_test", "inferd"))
            tensor = config["input"][0]
            self.assertEqual((tensor["name"], tensor["data_type"], tensor["dims"]), ("INPUT0", "TYPE_FP32", [2]))
        self.assertEqual(self.json("GET", "/v2/models/nope/config")[0], 404)

    def test_log_settings(self):
        code, before = self.json("GET", "/v2/logging")
        self.assertEqual((code, before["log_info"], before["log_verbose_level"]), (200, True, 0))
        code, after = self.json("POST", "/v2/logging", {"log_verbose_level": 1})
        self.assertEqual((code, after["log_verbose_level"]), (200, 1))
        self.assertEqual(self.json("POST", "/v2/logging", {"log_verbose_level": 0})[1], before)
        self.assertIn("unknown log setting 'log_color'", self.error("POST", "/v2/logging", {"log_color": 1})[1])
        self.assertEqual(self.error("POST", "/v2/logging", {"log_info": 1})[0], 400)

    def test_trace_settings(self):
        for path in ("/v2/trace/setting", "/v2/models/copy/trace/setting"):
            code, settings = self.json("GET", path)
            self.assertEqual(code, 200)
            self.assertIsInstance(settings["trace_level"], list)
            # Setting what is set changes nothing.
            self.assertEqual(self.json("POST", path, {"trace_level": settings["trace_level"]}), (200, settings))
            self.assertEqual(self.error("POST", path, {"trace_level": 1})[0], 400)
        self.assertEqual(self.json("GET", "/v2/models/nope/trace/setting")[0], 404)

    def test_tensors_in_shared_memory(self):
        name = f"inferd-http-{os.getpid()}"
        with open(f"/dev/shm/{name}", "w+b") as file:
            self.addCleanup(os.unlink, f"/dev/shm/{name}")
            file.truncate(64)
            region = mmap.mmap(file.fileno(), 64)
            region[:16] = struct.pack("<4f", 1, 2, 3, 4)
            path = "/v2/systemsharedmemory"
            described = {"key": "/" + name, "offset": 0, "byte_size": 64}
            self.assertEqual(self.json("POST", path + "/region/r/register", described), (200, None))
            for status in (path + "/status", path + "/region/r/status"):
                self.assertEqual(self.json("GET", status), (200, [{"name": "r", **described}]))
            self.assertIn("already in manager", self.error("POST", path + "/region/r/register", described)[1])

            place = {"shared_memory_region": "r", "shared_memory_byte_size": 16}
            body = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [2, 2], "parameters": place}],
                    "outputs": [{"name": "OUTPUT0", "parameters": {**place, "shared_memory_offset": 32}}]}
            code, answer = self.json("POST", "/v2/models/copy/infer", body)
            self.assertEqual(code, 200, answer)
            self.assertEqual(answer["outputs"][0]["parameters"]["shared_memory_region"], "r")
            self.assertNotIn("data", answer["outputs"][0])
            self.assertEqual(struct.unpack("<4f", region[32:48]), (1, 2, 3, 4))
            body["outputs"][0]["parameters"]["shared_memory_byte_size"] = 15
            code, message = self.error("POST", "/v2/models/copy/infer", body)
            self.assertEqual(code, 400)
            self.assertIn("should be at least 16 bytes", message)

            self.assertEqual(self.json("POST", path + "/region/r/unregister"), (200, None))
            self.assertEqual(self.json("GET", path + "/region/r/status")[0], 404)
            self.assertEqual(self.json("POST", path + "/unregister"), (200, None))
            self.assertEqual(self.error("POST", path + "/region/r/register", {"key": 1})[0], 400)
        self.assertIn("system_shared_memory", self.json("GET", "/v2")[1]["extensions"])

    def test_there_is_no_cuda(self):
        path = "/v2/cudasharedmemory"
        self.assertEqual(self.json("GET", path + "/status"), (200, []))
        self.assertEqual(self.error("GET", path + "/region/r/status")[0], 404)
        self.assertEqual(self.error("POST", path + "/region/r/register", {"device_id": 0, "byte_size": 1})[0], 501)
        self.assertEqual(self.json("POST", path + "/unregister"), (200, None))

    def test_compressed_bodies(self):
        body = json.dumps(INFER).encode()
        for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
            code, _, answer = self.ask("POST", "/v2/models/copy/infer", packed, {"Content-Encoding": encoding})
            self.assertEqual((code, json.loads(answer)["outputs"][0]["data"]), (200, [1, 2]))
        large = json.dumps({"inputs": [tensor([0.25] * 10000)]})
        code, headers, answer = self.ask("POST", "/v2/models/wide/infer", large, {"Accept-Encoding": "gzip"})
        self.assertEqual((code, headers["Content-Encoding"]), (200, "gzip"))
        self.assertEqual(json.loads(gzip.decompress(answer))["outputs"][0]["data"], [0.25] * 10000)

    def test_a_bomb_does_not_fill_memory(self):
        bomb = zlib.compressobj(9)
        packed = b"".join(bomb.compress(bytes(1 << 24)) for _ in range(64)) + bomb.flush()  # 1 GiB
        status = pathlib.Path(f"/proc/{self.daemon.process.pid}/status")
        peak = lambda: int(status.read_text().split("VmHWM:")[1].split()[0]) << 10  # noqa: E731
        before = peak()
        code, _, answer = self.ask("POST", "/v2/models/copy/infer", packed, {"Content-Encoding": "deflate"})
        self.assertEqual(code, 413, answer)
        self.assertLess(peak() - before, 300 << 20)  # max_message_bytes is 64 MiB, and strings grow by doubling


class Checking(unittest.TestCase):
    """`inferd --check`."""

    def setUp(self):
        self.keys = keys.Keys()
        self.addCleanup(self.keys.remove)
        self.keys.authority("ca")
        self.keys.certificate("server", "ca")
        self.keys.certificate("other", "ca")
        self.keys.certificate("late", "ca", days=-1)

    def check(self, protocol, certificate, key):
        config = self.keys / "inferd.yaml"
        other = "  grpc: [unix:s]\n" if protocol == "http" else "  # nothing else\n"
        config.write_text(f"server:\n{other}  {protocol}:\n    - address: 127.0.0.1:0\n      tls:\n"
                          f"        certificate: {certificate}\n        key: {key}\n")
        result = subprocess.run([ARGS.real_inferd, "--check", str(config)], capture_output=True, text=True, timeout=100)
        return result.returncode, result.stdout + result.stderr

    def test_certificates_and_keys_are_looked_at(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol=protocol):
                code, text = self.check(protocol, "server.pem", "server.key")
                self.assertEqual((code, text.count("\n")), (0, 1), text)
                code, text = self.check(protocol, "server.pem", "other.key")
                self.assertEqual(code, 1)
                self.assertRegex(text, r"inferd.yaml:7:14: '.*/other.key' is not the key of '.*/server.pem'")
                code, text = self.check(protocol, "nowhere.pem", "other.key")
                self.assertEqual(code, 1)
                self.assertRegex(text, r"inferd.yaml:6:22: '.*/nowhere.pem' cannot be read: No such file")
                code, text = self.check(protocol, "late.pem", "late.key")
                self.assertEqual(code, 0, text)
                self.assertRegex(text, r"warning.*inferd.yaml:6:22: '.*/late.pem' has a certificate of CN=late, which expired")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True, help="one that takes scripted models")
    parser.add_argument("--real-inferd", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
