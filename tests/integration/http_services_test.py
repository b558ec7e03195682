#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the dashboard stands on: the daemon's own services over HTTP, live views, the log, files of pipelines, and what keeps
pages of other sites out. A real daemon and Python's own client."""
import argparse
import base64
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import socket
import struct
import sys
import threading
import unittest
import zlib

from daemon_process import DaemonProcess, wait_until
from unix_http import UnixConnection

ARGS = None
TOKENS = {"observe": "a-token-of-who-observes", "admin": "a-token-of-who-may-all"}
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}


def pattern(width=64, height=48):
    return f"name: pattern\nparameters: {{fps: 20}}\nsource: {{test_pattern: {{fps: '${{fps}}', width: {width}, height: {height}}}}}\n"


def png(width, height):
    """A black picture."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Daemon(DaemonProcess):
    """Listens on loopback (0), with tokens (1), and on a Unix socket, `http.sock`."""

    def __init__(self, server="", pipelines="  - {file: pattern.yaml}\n"):
        super().__init__(ARGS.inferd)
        self.folder.chmod(0o755)
        self.add_model("copy", {"backend": "identity", "inputs": [{"shape": [-1, 2]}]})
        (self.folder / "pattern.yaml").write_text(pattern())
        rules = ""
        for role, token in TOKENS.items():
            (self.folder / role).write_text(token + "\n")
            (self.folder / role).chmod(0o600)
            rules += f"        - {{roles: [{role}], tokens: {role}}}\n"
        self.configure(f"server:\n  grpc: [unix:grpc.sock]\n{server}  http:\n    - address: 127.0.0.1:0\n"
                       f"    - address: 127.0.0.1:0\n      hosts: [board.example]\n      allow:\n{rules}"
                       f"    - {{address: 'unix:http.sock'}}\nmodels: {{root: models}}\npipelines:\n{pipelines}")
        self.start(lambda: "serving on unix:" in self.text())
        self.addresses = [line.rsplit(" ", 1)[1] for line in self.text().splitlines() if "serving HTTP" in line]

    def port(self, listener=0):
        return int(self.addresses[listener].rsplit(":", 1)[1])

    def connection(self, listener=0):
        return http.client.HTTPConnection("127.0.0.1", self.port(listener), timeout=60)

    def ask(self, method, path, body=None, headers=None, listener=0):
        """Code, headers and body."""
        connection = self.connection(listener)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def call(self, method, request=None, headers=None, listener=0, code=200):
        """The answer to a call of one of the services."""
        got, _, body = self.ask("POST", "/inferd.v1." + method, json.dumps(request or {}), {**JSON, **(headers or {})}, listener)
        if got != code:
            raise AssertionError(f"{method}: {got}, not {code}: {body.decode()}")
        return json.loads(body)

    def stream(self, method, request=None):
        """The connection and the answer, whose lines are not read."""
        connection = self.connection()
        connection.request("POST", "/inferd.v1." + method, json.dumps(request or {}), JSON)
        return connection, connection.getresponse()

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        raise AssertionError("no VmRSS")


def bearer(role):
    return {"Authorization": "Bearer " + TOKENS[role]}


def read_part(response):
    size = struct.unpack(">I", response.read(4))[0]
    return response.read(size)


def read_record(response):
    """What is said of a frame, and its JPEG."""
    return json.loads(read_part(response)), read_part(response)


class WithDaemon(unittest.TestCase):
    SERVER = "  write_pipelines: true\n"

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.SERVER)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        assert code == 0, code


    def take_all(self, places, method, request=None):
        """Takes all of a stream's places, sees that there are no more, and leaves them."""
        streams = []

        def take():
            connection, response = self.daemon.stream(method, request)
            if response.status == 200:
                streams.append((connection, response))
            else:
                connection.close()  # somebody who has left is still there
            return len(streams) == places
        wait_until(take, f"{places} places are free")
        error = self.daemon.call(method, request, code=429)
        self.assertEqual(error["code"], "resource_exhausted")
        for connection, response in streams:
            response.close()
            connection.close()


class Services(WithDaemon):
    def test_calls_answer_in_the_json_of_protobuf(self):
        pipelines = self.daemon.call("PipelineService/ListPipelines")["pipelines"]
        self.assertEqual((pipelines[0]["name"], pipelines[0]["state"]), ("pattern", "PIPELINE_STATE_RUNNING"))
        self.assertIn("memoryLimit", self.daemon.call("HostService/ShowHost"))
        self.assertEqual(self.daemon.call("DeploymentService/ListDeployments"), {})
        model = self.daemon.call("DeploymentService/ShowModel", {"model": "copy"})
        self.assertEqual(model["versions"][0]["version"], "1")

    def test_errors_have_codes(self):
        error = self.daemon.call("PipelineService/StopPipeline", {"pipeline": "none"}, code=404)
        self.assertEqual(error["code"], "not_found")
        self.assertIn("there is no pipeline 'none'", error["message"])
        error = self.daemon.call("PipelineService/StopPipeline", {"pipelin": "none"}, code=400)
        self.assertEqual(error["code"], "invalid_argument")
        self.assertIn("pipelin", error["message"])
        for body in ("{", "[]", "7", '{"pipeline": 7}', "[" * 100_000):
            code, _, answer = self.daemon.ask("POST", "/inferd.v1.PipelineService/StopPipeline", body, JSON)
            self.assertEqual((code, json.loads(answer)["code"]), (400, "invalid_argument"), body[:40])

    def test_a_request_is_not_too_large(self):
        body = json.dumps({"path": "x" * (2 << 20)})
        code, _, answer = self.daemon.ask("POST", "/inferd.v1.PipelineService/CheckPipeline", body, JSON)
        self.assertEqual((code, json.loads(answer)["code"]), (429, "resource_exhausted"))

    def test_a_pipeline_stops_and_starts(self):
        self.assertEqual(self.daemon.call("PipelineService/StopPipeline", {"pipeline": "pattern"})["state"],
                         "PIPELINE_STATE_STOPPED")
        self.assertEqual(self.daemon.call("PipelineService/StartPipeline", {"pipeline": "pattern"})["state"],
                         "PIPELINE_STATE_RUNNING")

    def test_a_picture_is_asked_about(self):
        def ask(pipeline, picture, code=200, **options):
            headers = {**BYTES, **options.pop("headers", {})}
            answer = self.daemon.ask("PUT", f"/inferd.v1.PipelineService/Ask?pipeline={pipeline}", picture, headers, **options)
            self.assertEqual(answer[0], code, answer[2])
            return json.loads(answer[2])
        results = ask("pattern", png(30, 20))["results"]
        self.assertEqual([(r["pipeline"], r["node"], r["width"], r["height"]) for r in results], [("pattern", "main", 30, 20)])
        self.assertEqual(ask("none", png(3, 2), 404)["code"], "not_found")
        self.assertIn("the picture: ", ask("pattern", b"no picture", 400)["message"])
        self.assertEqual(ask("pattern", b"", 400)["message"], "there is no picture")
        ask("pattern", png(3, 2), 403, headers=bearer("observe"), listener=1)
        ask("pattern", png(3, 2), headers=bearer("admin"), listener=1)

    def test_results_are_watched(self):
        connection, response = self.daemon.stream("PipelineService/Watch", {"pipeline": "pattern"})
        self.assertEqual(response.getheader("Content-Type"), "application/x-ndjson")
        numbers = [int(json.loads(response.readline())["result"]["sequence"]) for _ in range(3)]
        self.assertEqual(numbers, sorted(set(numbers)))
        connection.close()

    def test_a_stream_of_what_is_not_there_is_an_error(self):
        for method, request in (("PipelineService/Watch", {"pipeline": "none"}),
                                ("DeploymentService/WatchDeployment", {"id": "none"})):
            connection, response = self.daemon.stream(method, request)
            self.assertEqual((response.status, json.loads(response.read())["code"]), (404, "not_found"))
            connection.close()

    def test_watchers_are_counted_and_their_places_come_back(self):
        for _ in range(2):
            self.take_all(32, "PipelineService/Watch", {"pipeline": "pattern"})

    def test_who_am_i(self):
        who = json.loads(self.daemon.ask("GET", "/inferd/whoami")[2])
        self.assertEqual((who["roles"], who["token_required"]), (["infer", "observe", "admin"], False))
        code, _, body = self.daemon.ask("GET", "/inferd/whoami", listener=1)
        self.assertEqual((code, json.loads(body)["roles"], json.loads(body)["token_required"]), (200, [], True))
        body = self.daemon.ask("GET", "/inferd/whoami", headers=bearer("observe"), listener=1)[2]
        self.assertEqual(json.loads(body)["roles"], ["observe"])


class Roles(WithDaemon):
    def test_each_call_needs_its_role(self):
        ask = self.daemon.call
        for method in ("PipelineService/ListPipelines", "HostService/ShowHost", "DeploymentService/ListDeployments"):
            self.assertEqual(ask(method, listener=1, code=401)["code"], "unauthenticated")
            ask(method, headers=bearer("observe"), listener=1)
        for method in ("PipelineService/StopPipeline", "PipelineService/ReadPipeline", "PipelineService/WritePipeline",
                       "HostService/TailLog", "HostService/ListClients", "DeploymentService/Rollback"):
            self.assertEqual(ask(method, headers=bearer("observe"), listener=1, code=403)["code"], "permission_denied")
        self.assertEqual(ask("PipelineService/ReadPipeline", {"pipeline": "pattern"}, bearer("admin"), 1)["text"], pattern())

    def test_a_live_view_is_for_who_observes(self):
        self.assertEqual(self.daemon.ask("GET", "/live/pattern", listener=1)[0], 401)

    def test_an_upload_is_for_administrators(self):
        code, _, _ = self.daemon.ask("PUT", "/inferd.v1.DeploymentService/Upload?upload=a&path=b&offset=0", b"x",
                                     {**BYTES, **bearer("observe")}, listener=1)
        self.assertEqual(code, 403)


class OtherSites(WithDaemon):
    """Pages that a browser shows and that are not the daemon's own."""

    def code(self, method, path, headers, body="{}", listener=0):
        return self.daemon.ask(method, path, body if method == "POST" else None, headers, listener)[0]

    def test_they_change_nothing(self):
        list_call = "/inferd.v1.PipelineService/ListPipelines"
        own = f"http://127.0.0.1:{self.daemon.port()}"
        for path in (list_call, "/v2/repository/index", "/v2/repository/models/copy/load"):
            for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                            {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:1"}):
                self.assertEqual(self.code("POST", path, {**JSON, **headers}), 403, (path, headers))
            for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Sec-Fetch-Site": "none"}, {}):
                self.assertEqual(self.code("POST", path, {**JSON, **headers}), 200, (path, headers))

    def test_a_form_is_no_call(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
            headers = {"Content-Type": kind} if kind else {}
            self.assertEqual(self.code("POST", "/inferd.v1.PipelineService/ListPipelines", headers), 415, kind)
        self.assertEqual(self.code("POST", "/inferd.v1.PipelineService/ListPipelines",
                                   {"Content-Type": "application/json; charset=utf-8"}), 200)

    def test_they_see_nothing(self):
        for path in ("/live/pattern", "/inferd/whoami"):
            self.assertEqual(self.code("GET", path, {"Sec-Fetch-Site": "cross-site"}), 403)
        for path in ("/v2", "/inferd/whoami", "/ui/"):
            self.assertIsNone(self.daemon.ask("GET", path, headers={"Origin": "https://evil.example"})[1].get(
                "Access-Control-Allow-Origin"))

    def test_a_name_that_was_made_to_mean_this_machine_is_refused(self):
        for host, code in (("evil.example", 403), ("evil.example:8000", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil", 403),
                           ("localhost", 200), ("LocalHost:8000", 200), ("127.0.0.1:1", 200), ("[::1]:8000", 200),
                           ("192.168.1.7:8000", 200)):
            self.assertEqual(self.code("GET", "/v2", {"Host": host}), code, host)
        self.assertEqual(self.code("GET", "/v2/health/live", {"Host": "board.example:8000"}, listener=1), 200)
        self.assertEqual(self.code("GET", "/v2/health/live", {"Host": "board.example.org"}, listener=1), 403)
        connection = UnixConnection(self.daemon.folder / "http.sock")
        connection.request("GET", "/v2", headers={"Host": "anything"})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()


class Live(WithDaemon):
    def look(self, query="", pipeline="pattern"):
        connection = self.daemon.connection()
        connection.request("GET", f"/live/{pipeline}{query}")
        return connection, connection.getresponse()

    def test_frames_come_with_what_is_said_of_them(self):
        connection, response = self.look("?max_fps=20")
        self.assertEqual((response.status, response.getheader("Content-Type")), (200, "application/octet-stream"))
        last = 0
        for _ in range(3):
            result, jpeg = read_record(response)
            self.assertEqual((result["pipeline"], result["width"], result["height"]), ("pattern", 64, 48))
            self.assertGreater(int(result["sequence"]), last)
            last = int(result["sequence"])
            self.assertEqual((jpeg[:2], jpeg[-2:]), (b"\xff\xd8", b"\xff\xd9"))
        connection.close()

    def test_all_who_look_get_the_same_pictures(self):
        views = [self.look("?max_fps=60") for _ in range(3)]
        seen = [dict() for _ in views]
        for _ in range(10):
            for (_, response), pictures in zip(views, seen):
                result, jpeg = read_record(response)
                pictures[result["sequence"]] = jpeg
        shared = set(seen[0]) & set(seen[1]) & set(seen[2])
        self.assertTrue(shared)
        for sequence in shared:
            self.assertEqual(seen[0][sequence], seen[1][sequence])
            self.assertEqual(seen[0][sequence], seen[2][sequence])
        for connection, _ in views:
            connection.close()

    def test_what_is_not_there_or_does_not_run(self):
        def error(query="", pipeline="pattern"):
            connection, response = self.look(query, pipeline)
            answer = response.status, json.loads(response.read())["code"]
            connection.close()
            return answer
        self.assertEqual(error(pipeline="none"), (404, "not_found"))
        self.assertEqual(error("?node=none"), (404, "not_found"))
        for fps in ("0", "61", "-1", "nan", "x", ""):
            self.assertEqual(error("?max_fps=" + fps), (400, "invalid_argument"), fps)

    def test_a_view_ends_with_its_pipeline(self):
        connection, response = self.look()
        read_record(response)
        self.daemon.call("PipelineService/StopPipeline", {"pipeline": "pattern"})
        while response.read(1 << 16):
            pass
        connection.close()
        _, response = self.look()
        self.assertEqual((response.status, json.loads(response.read())["code"]), (400, "failed_precondition"))
        self.daemon.call("PipelineService/StartPipeline", {"pipeline": "pattern"})


class SlowViewer(unittest.TestCase):
    def test_a_slow_viewer_loses_frames_and_holds_up_nobody(self):
        with Daemon() as daemon:
            (daemon.folder / "pattern.yaml").write_text(pattern(1280, 720))
            daemon.call("PipelineService/ReloadPipelines")
            # Unlike those of TCP, buffers of Unix sockets do not grow.
            slow, fast = [UnixConnection(daemon.folder / "http.sock") for _ in range(2)]
            for connection in (slow, fast):
                connection.request("GET", "/live/pattern?max_fps=60")
            reading = slow.getresponse()  # and nothing more
            quick = fast.getresponse()
            first = int(read_record(quick)[0]["sequence"])
            before = daemon.resident_bytes()
            bytes_sent, last = 0, first
            # Several times what a socket holds.
            while bytes_sent < 2 << 20:
                result, jpeg = read_record(quick)
                bytes_sent += len(jpeg)
                last = int(result["sequence"])
            self.assertLess(daemon.resident_bytes() - before, 32 << 20)
            # What its socket held, then what is new.
            numbers = [int(read_record(reading)[0]["sequence"])]
            while numbers[-1] < last:
                numbers.append(int(read_record(reading)[0]["sequence"]))
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertLess(len(numbers), last - numbers[0])
            for connection in (slow, fast):
                connection.close()


class Log(WithDaemon):
    def test_lines_that_were_there_come_first_and_then_new_ones(self):
        connection, response = self.daemon.stream("HostService/TailLog")
        lines = [json.loads(response.readline())["result"]]
        while "serving HTTP on" not in lines[-1]["text"]:
            lines.append(json.loads(response.readline())["result"])
        self.assertEqual([int(line["number"]) for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual(lines[-1]["level"], "LOG_LEVEL_INFO")
        (self.daemon.folder / "pattern.yaml").write_text(pattern(80))
        self.daemon.call("PipelineService/ReloadPipelines")
        while lines[-1].get("pipeline") != "pattern" or "has changed" not in lines[-1]["text"]:
            lines.append(json.loads(response.readline())["result"])
        connection.close()
        connection, response = self.daemon.stream("HostService/TailLog", {"lines": 1})
        self.assertGreaterEqual(int(json.loads(response.readline())["result"]["number"]), int(lines[-1]["number"]))
        connection.close()

    def test_readers_are_counted(self):
        for _ in range(2):
            self.take_all(8, "HostService/TailLog")


class Files(WithDaemon):
    def read(self):
        return self.daemon.call("PipelineService/ReadPipeline", {"pipeline": "pattern"})

    def write(self, text, revision="", code=200):
        return self.daemon.call("PipelineService/WritePipeline", {"pipeline": "pattern", "text": text, "revision": revision},
                                code=code)

    def width(self):
        connection = self.daemon.connection()
        connection.request("GET", "/live/pattern")
        result, _ = read_record(connection.getresponse())
        connection.close()
        return result["width"]

    def test_a_file_is_read_written_and_runs(self):
        path = self.daemon.folder / "pattern.yaml"
        path.chmod(0o640)
        before = self.read()
        self.assertEqual((before["path"], before["text"], before["writable"]), (str(path), path.read_text(), True))
        written = self.write(pattern(96), before["revision"])
        self.assertEqual(written.get("errors", []), [])
        self.assertEqual((path.read_text(), oct(path.stat().st_mode & 0o777)), (pattern(96), "0o640"))
        self.assertEqual(self.width(), 96)
        self.assertEqual(self.read()["revision"], written["revision"])
        error = self.write(pattern(100), before["revision"], code=400)
        self.assertEqual(error["code"], "failed_precondition")
        self.assertIn("changed by somebody else", error["message"])
        self.assertEqual(path.read_text(), pattern(96))

    def test_a_mistake_is_shown_at_its_line_and_nothing_changes(self):
        path = self.daemon.folder / "pattern.yaml"
        before = path.read_text()
        for text, where in ((pattern() + "stages: [resiz]\n", ":4:"), ("name: pattern\nsource: {test_pattern: {fp: 3}}\n", ":2:"),
                            ("name: [", ":1:"), ("source: {test_pattern: {fps: '${no}'}}\nname: pattern\n", ":1:")):
            errors = self.write(text)["errors"]
            self.assertTrue(errors[0].startswith(str(path) + where), errors)
            self.assertEqual(path.read_text(), before)
        self.assertEqual(self.daemon.call("PipelineService/ListPipelines")["pipelines"][0]["state"], "PIPELINE_STATE_RUNNING")
        checked = self.daemon.call("PipelineService/CheckPipeline",
                                   {"path": str(path), "files": {str(path): pattern() + "stages: [resiz]\n"}})
        self.assertTrue(checked["errors"][0].startswith(str(path) + ":4:"), checked)

    def test_a_file_that_cannot_be_written_says_so(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everything")
        path = self.daemon.folder / "pattern.yaml"
        path.chmod(0o440)
        answer = self.read()
        path.chmod(0o640)
        self.assertFalse(answer.get("writable", False))
        self.assertIn("cannot write", answer["whyNot"])


class ReadOnly(unittest.TestCase):
    def test_files_are_written_only_where_the_configuration_says_so(self):
        with Daemon(pipelines="  - {file: pattern.yaml, with: {fps: 10}}\n  - {name: inline, source: test_pattern}\n") as daemon:
            answer = daemon.call("PipelineService/ReadPipeline", {"pipeline": "pattern"})
            self.assertEqual((answer.get("writable", False), answer["parameters"]), (False, {"fps": "10"}))
            self.assertIn("write_pipelines: true", answer["whyNot"])
            error = daemon.call("PipelineService/WritePipeline", {"pipeline": "pattern", "text": pattern(96)}, code=400)
            self.assertEqual((error["code"], error["message"]), ("failed_precondition", answer["whyNot"]))
            error = daemon.call("PipelineService/ReadPipeline", {"pipeline": "inline"}, code=400)
            self.assertIn("no file of its own", error["message"])


class Upload(WithDaemon):
    PATH = "/inferd.v1.DeploymentService/Upload"

    def put(self, upload, offset, data, path="model.test"):
        code, _, body = self.daemon.ask("PUT", f"{self.PATH}?upload={upload}&path={path}&offset={offset}", data, BYTES)
        return code, json.loads(body)

    def test_a_version_is_sent_over_a_broken_link_and_serves(self):
        model = json.dumps({"backend": "identity", "inputs": [{"shape": [-1, 2]}], "padding": "x" * 3_000_000}).encode()
        manifest = json.dumps({
            "format": 1, "model": "pushed", "version": 1, "created": "2026-01-31T12:00:00Z", "files": [
            {"path": "model.test", "bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}]}).encode()
        request = {"manifest": base64.b64encode(manifest).decode()}
        status = self.daemon.call("DeploymentService/BeginUpload", request)
        upload = status["upload"]
        half = 1_000_000
        code, status = self.put(upload, 0, model[:half])
        self.assertEqual((code, status["files"][0]["received"]), (200, str(half)))
        # A link that breaks in the middle: what did not come whole is not there.
        broken = socket.create_connection(("127.0.0.1", self.daemon.port()))
        broken.sendall((f"PUT {self.PATH}?upload={upload}&path=model.test&offset={half} HTTP/1.1\r\nHost: localhost\r\n"
                        f"Content-Type: application/octet-stream\r\nContent-Length: {half}\r\n\r\n").encode() + b"x" * 1000)
        broken.close()
        status = self.daemon.call("DeploymentService/BeginUpload", request)
        self.assertEqual(status["files"][0]["received"], str(half))
        code, error = self.put(upload, half + 1, model[half + 1:])
        self.assertEqual((code, error["code"]), (400, "out_of_range"))
        self.assertEqual(self.put(upload, half, model[half:])[0], 200)
        deployment = self.daemon.call("DeploymentService/Deploy", {"uploads": [upload], "rollout": {"probationSeconds": 0}})
        connection, response = self.daemon.stream("DeploymentService/WatchDeployment", {"id": deployment["id"]})
        last = [json.loads(line)["result"] for line in response.read().splitlines()][-1]
        connection.close()
        self.assertEqual(last["state"], "DEPLOYMENT_STATE_DONE", last)
        self.assertEqual(self.daemon.ask("GET", "/v2/models/pushed/ready")[0], 200)

    def test_what_is_missing_is_named(self):
        for query, what in (("", "upload"), ("?upload=a", "path"), ("?upload=a&path=b", "offset"),
                            ("?upload=a&path=b&offset=-1", "offset"), ("?upload=a&path=b&offset=1x", "offset"),
                            ("?upload=%zz&path=b&offset=1", "upload")):
            code, _, body = self.daemon.ask("PUT", self.PATH + query, b"x", BYTES)
            self.assertEqual((code, json.loads(body)["code"]), (400, "invalid_argument"), query)
            self.assertIn(f"'{what}'", json.loads(body)["message"])
        self.assertEqual(self.put("none", 0, b"x")[0], 404)


class Page(WithDaemon):
    def test_the_root_leads_to_it(self):
        for path in ("/", "/ui"):
            code, headers, _ = self.daemon.ask("GET", path)
            self.assertEqual((code, headers["Location"]), (302, "/ui/"))

    def test_it_lets_nothing_from_elsewhere_in(self):
        headers = self.daemon.ask("GET", "/ui/")[1]
        policy = headers["Content-Security-Policy"]
        for part in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            self.assertIn(part, policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_files_are_told_by_their_tags(self):
        code, headers, body = self.daemon.ask("GET", "/ui/")
        if code == 404:
            self.assertIn(b"INFERD_BUILD_WEB", body)
            self.skipTest("this build has no page")
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        code, packed, smaller = self.daemon.ask("GET", "/ui/", headers={"Accept-Encoding": "gzip"})
        self.assertEqual((packed["Content-Encoding"], gzip.decompress(smaller)), ("gzip", body))
        code, headers, body = self.daemon.ask("GET", "/ui/", headers={"If-None-Match": headers["ETag"]})
        self.assertEqual((code, body), (304, b""))
        self.assertEqual(self.daemon.ask("GET", "/ui/", headers={"If-None-Match": '"another"'})[0], 200)

    def test_what_is_not_there_is_not_found(self):
        for path in ("/ui/none", "/ui/..%2f..%2fetc/passwd", "/ui/assets/none.js", "/ui/a/b/c"):
            self.assertEqual(self.daemon.ask("GET", path)[0], 404, path)


class Shutdown(unittest.TestCase):
    def test_streams_end_with_the_daemon(self):
        daemon = Daemon()
        streams = [daemon.stream("PipelineService/Watch", {"pipeline": "pattern"}), daemon.stream("HostService/TailLog")]
        live = daemon.connection()
        live.request("GET", "/live/pattern")
        streams.append((live, live.getresponse()))
        readers = [threading.Thread(target=response.read) for _, response in streams]
        for reader in readers:
            reader.start()
        self.assertEqual(daemon.stop(), 0)
        for reader in readers:
            reader.join(60)
            self.assertFalse(reader.is_alive())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True, help="with the models of tests/backends")
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
