#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other software's protocols, spoken as that software does: Frigate's detector `zmq`, and forms with pictures as Blue Iris and
Frigate's detector `deepstack` post them. A real daemon with a real model."""
import argparse
import http.client
import json
import os
import pathlib
import stat
import struct
import sys
import threading
import unittest

try:
    import numpy
    import zmq
    from daemon_process import DaemonProcess
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-numpy and python3-zmq")
    sys.exit(77)

ARGS = None
MODEL = "tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite"
PIPELINE = """
name: objects
autostart: false
source: {push: {name: objects, width: 300, height: 300}}
stages:
  - resize
  - infer: {model: detector}
  - decode_detections: {min_score: 0.3}
  - labels: {path: %s, offset: 1}
"""
PERSON = 0
CONFIG = """
server:
  grpc: [unix:grpc.sock]
  http:
    - 127.0.0.1:0
    - address: 127.0.0.1:0
      allow: [{roles: [observe], everyone: true}]
  vision: {detection: objects, custom: [objects]}
  frigate:
    - {address: 'unix:zmq.sock', mode: "0600", pipeline: objects}
    - {address: '127.0.0.1:0', pipeline: objects, format: bgr}
models: {root: models}
pipelines: [{file: objects.yaml}]
"""


def pixels_of(bmp):
    """Of a picture without compression: rows of red, green, blue, from the top."""
    data = bmp.read_bytes()
    start, = struct.unpack_from("<I", data, 10)
    width, height = struct.unpack_from("<ii", data, 18)
    rows = numpy.frombuffer(data, numpy.uint8, offset=start)[:height * (-(-width * 3 // 4) * 4)].reshape(height, -1)
    return rows[::-1, :width * 3].reshape(height, width, 3)[..., ::-1]


def shrunk(pixels, side):
    """To the size of Frigate's regions, as its detectors get them: [1, side, side, 3]."""
    rows = numpy.arange(side) * pixels.shape[0] // side
    columns = numpy.arange(side) * pixels.shape[1] // side
    return numpy.ascontiguousarray(pixels[rows][:, columns][None])


class Frigate:
    """The detector's side: waits for an answer for as long as it is told, and after that never again on the same socket."""

    def __init__(self, endpoint, timeout_ms=200):
        self.context = zmq.Context()
        self.endpoint, self.timeout_ms = endpoint, timeout_ms
        self.socket = None
        self.connect()

    def connect(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.RCVTIMEO, self.timeout_ms)
        self.socket.setsockopt(zmq.SNDTIMEO, self.timeout_ms)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(self.endpoint)

    def model(self, **header):
        self.socket.setsockopt(zmq.RCVTIMEO, 60000)
        self.socket.send_multipart([json.dumps(header).encode()] + ([b"model" * 1000] if "model_data" in header else []))
        answer, = self.socket.recv_multipart()
        self.socket.setsockopt(zmq.RCVTIMEO, self.timeout_ms)
        return json.loads(answer)

    def ask(self, *parts):
        """What Frigate makes of the answer to this, or None: it gave up and connected anew."""
        try:
            self.socket.send_multipart(list(parts))
            header, data = self.socket.recv_multipart()
        except zmq.Again:
            self.connect()
            return None
        said = json.loads(header)
        return numpy.frombuffer(data, numpy.dtype(said["dtype"])).reshape(said["shape"])

    def detect(self, tensor, **instead):
        header = {"shape": list(tensor.shape), "dtype": str(tensor.dtype.name), "model_type": "ssd", **instead}
        return self.ask(json.dumps(header).encode(), memoryview(tensor.tobytes(order="C")))

    def until_answered(self, tensor):
        for _ in range(3000):
            answer = self.detect(tensor)
            if answer is not None:
                return answer
        raise AssertionError("never an answer in time")

    def close(self):
        self.socket.close()
        self.context.term()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def form(fields, boundary="----WebKitFormBoundaryx"):
    """Content-Type and body of a form; a value of bytes is a file."""
    body = b""
    for name, value in fields:
        is_file = isinstance(value, bytes)
        file = f'; filename="{name}.jpg"\r\nContent-Type: image/jpeg' if is_file else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += (value if is_file else value.encode()) + b"\r\n"
    return "multipart/form-data; boundary=" + boundary, body + f"--{boundary}--\r\n".encode()


class AdaptersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        cls.daemon.add_model("detector", ARGS.models / MODEL)
        labels = ARGS.models / "labels/coco_ssd_mobilenet_labels.txt"
        (cls.daemon.folder / "objects.yaml").write_text(PIPELINE % labels)
        cls.daemon.configure(CONFIG)
        cls.daemon.start(lambda: cls.daemon.text().count("serving Frigate on ") == 2)
        served = [line.rsplit(" ", 1)[1] for line in cls.daemon.text().splitlines() if "serving " in line]
        cls.http = [a for a in served if a.startswith("127.0.0.1")][:2]
        cls.ipc = f"ipc://{cls.daemon.folder}/zmq.sock"
        cls.tcp = "tcp://" + [a for a in served if a.startswith("127.0.0.1")][2]
        cls.hopper = pixels_of(ARGS.models / "images/grace_hopper.bmp")
        cls.tensor = shrunk(cls.hopper, 300)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.terminate()
        text = cls.daemon.text()
        cls.daemon.remove()
        assert code == 0, (code, text)

    def post(self, path, fields=(), body=None, listener=0):
        connection = http.client.HTTPConnection(self.http[listener], timeout=60)
        try:
            content_type, data = form(fields)
            connection.request("POST", path, data if body is None else body, {"Content-Type": content_type})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    # Frigate's detector `zmq`

    def assert_shows_a_person(self, rows):
        self.assertEqual((rows.shape, rows.dtype), ((20, 6), numpy.float32))
        kind, score, top, left, bottom, right = rows[0]
        self.assertEqual(kind, PERSON)
        self.assertGreater(score, 0.5)
        self.assertTrue(0 <= top < 0.3 and 0 <= left < 0.4 and 0.8 < bottom <= 1 and 0.6 < right <= 1, rows[0])
        self.assertTrue((numpy.diff(rows[:, 1]) <= 0).all(), "the surest first, zeros at the end")

    def test_frigate_sees_what_the_pipeline_sees(self):
        with Frigate(self.ipc, 60000) as frigate:
            self.assertEqual(frigate.model(model_request=True, model_name="x.tflite"),
                             {"model_available": True, "model_loaded": True})
            for _ in range(3):
                self.assert_shows_a_person(frigate.detect(self.tensor))
            self.assert_shows_a_person(frigate.detect(shrunk(self.hopper, 320)))
            self.assertFalse(frigate.detect(numpy.zeros((1, 300, 300, 3), numpy.uint8)).any())

    def test_over_tcp_with_the_other_order_of_colours(self):
        with Frigate(self.tcp, 60000) as frigate:
            self.assert_shows_a_person(frigate.detect(numpy.ascontiguousarray(self.tensor[..., ::-1])))

    def test_a_model_that_frigate_sends_is_refused(self):
        with Frigate(self.ipc, 60000) as frigate:
            self.assertEqual(frigate.model(model_data=True, model_name="x.tflite"),
                             {"model_saved": False, "model_loaded": True})
            self.assert_shows_a_person(frigate.detect(self.tensor))

    def test_a_frigate_that_gives_up_comes_back(self):
        with Frigate(self.ipc, 1) as frigate:  # milliseconds: less than any answer takes
            for _ in range(50):
                frigate.detect(self.tensor)
            frigate.timeout_ms = 200
            frigate.connect()
            self.assert_shows_a_person(frigate.until_answered(self.tensor))

    def test_several_frigates_at_once(self):
        answers = []

        def detect():
            with Frigate(self.ipc, 60000) as frigate:
                answers.extend(frigate.detect(self.tensor) for _ in range(4))
        threads = [threading.Thread(target=detect) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 16)
        for rows in answers:
            self.assert_shows_a_person(rows)

    def test_what_is_no_picture_gets_zeros(self):
        good = json.dumps({"shape": [1, 300, 300, 3], "dtype": "uint8"}).encode()
        whole = self.tensor.tobytes()
        with Frigate(self.ipc, 60000) as frigate:
            for parts in ([b"{"], [b""], [b"[]", whole], [good], [good, b""], [good, whole[:-1]], [good, whole + b"x"], [good, whole, whole],
                          [good.replace(b"uint8", b"float32"), whole], [good.replace(b"300", b"-300"), whole],
                          [good.replace(b"300", b"99999999999999999999"), whole], [b"[" * 4096, whole],
                          [good.replace(b"1, 300, 300, 3", b"1, 3, 300, 300"), whole], [good] + [b"x"] * 500):
                rows = frigate.ask(*parts)
                self.assertEqual((rows.shape, rows.dtype, rows.any()), ((20, 6), numpy.float32, False), parts[0])
            self.assert_shows_a_person(frigate.detect(self.tensor))
        self.assertIn("is told that nothing is in its pictures: ", self.daemon.text())

    def test_what_speaks_no_zmq_disturbs_nobody(self):
        import socket
        with Frigate(self.ipc, 60000) as frigate, socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(self.daemon.folder / "zmq.sock"))
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + os.urandom(1000))
            self.assert_shows_a_person(frigate.detect(self.tensor))

    def test_who_may_connect_is_up_to_the_file(self):
        self.assertEqual(stat.S_IMODE((self.daemon.folder / "zmq.sock").stat().st_mode), 0o600)

    # DeepStack's API

    def photo(self):
        return (ARGS.models / "images/pets.jpg").read_bytes()

    def test_a_posted_picture_is_answered(self):
        code, answer = self.post("/v1/vision/detection", [("api_key", ""), ("image", self.photo())])
        self.assertEqual((code, answer["success"], answer["code"]), (200, True, 200), answer)
        found = answer["predictions"]
        self.assertEqual(answer["count"], len(found))
        self.assertTrue({p["label"] for p in found} & {"cat", "dog"}, found)
        scores = [p["confidence"] for p in found]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertGreaterEqual(min(scores), 0.4)
        for p in found:
            self.assertTrue(0 <= p["x_min"] < p["x_max"] and 0 <= p["y_min"] < p["y_max"], p)
            self.assertTrue(all(isinstance(p[key], int) for key in ("x_min", "y_min", "x_max", "y_max")), p)

    def test_the_least_confidence_is_the_clients(self):
        def scores(least):
            fields = [("image", self.photo()), ("min_confidence", least)]
            return [p["confidence"] for p in self.post("/v1/vision/detection", fields)[1]["predictions"]]
        sure, all_of_them = scores("0.6"), scores("0.3")
        self.assertTrue(sure and all(s >= 0.6 for s in sure))
        self.assertEqual(sure, [s for s in all_of_them if s >= 0.6])
        self.assertEqual(scores("1"), [])

    def test_models_of_ones_own(self):
        self.assertEqual(self.post("/v1/vision/custom/list"), (200, {"success": True, "models": ["objects"], "code": 200}))
        code, answer = self.post("/v1/vision/custom/objects", [("image", self.photo())])
        self.assertEqual((code, answer["success"]), (200, True))
        code, answer = self.post("/v1/vision/custom/none", [("image", self.photo())])
        self.assertEqual((code, answer["success"], answer["code"]), (404, False, 404))
        self.assertIn("there is no model 'none'", answer["error"])

    def test_bad_forms_are_refused(self):
        photo = self.photo()
        for fields, what in (([("min_confidence", "0.5")], "lacks the file 'image'"), ([("image", b"")], "lacks the file 'image'"),
                             ([("image", b"no picture")], "the picture: "), ([("image", photo[:3000])], "the picture: "),
                             ([("image", photo), ("min_confidence", "much")], "'min_confidence' must be"),
                             ([("image", photo), ("min_confidence", "nan")], "'min_confidence' must be"),
                             ([(f"f{i}", "x") for i in range(40)], "too many fields")):
            code, answer = self.post("/v1/vision/detection", fields)
            self.assertEqual((code, answer.get("success")), (400, False), answer)
            self.assertIn(what, answer["error"])
        whole = form([("image", photo)])[1]
        for body in (b"", whole[:-200], b"x" * 100000, whole[10:]):
            code, answer = self.post("/v1/vision/detection", body=body)
            self.assertEqual((code, answer.get("success")), (400, False), answer)

    def test_a_form_must_be_one_and_come_from_who_may_ask(self):
        connection = http.client.HTTPConnection(self.http[0], timeout=60)
        connection.request("POST", "/v1/vision/detection", self.photo(), {"Content-Type": "image/jpeg"})
        self.assertEqual(connection.getresponse().status, 415)
        connection.close()
        self.assertEqual(self.post("/v1/vision/detection", [("image", self.photo())], listener=1)[0], 403)

    def test_many_at_once_are_answered_or_told_to_come_back(self):
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(
            self.post("/v1/vision/detection", [("image", self.photo())])[0])) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(codes), 12)
        self.assertTrue(set(codes) <= {200, 503} and 200 in codes, codes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    if not ARGS.models.is_dir():
        print(f"SKIPPED: no models in {ARGS.models}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0]] + rest)
