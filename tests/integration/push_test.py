#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Frames from other processes and results for them, over gRPC and the local socket, in a real daemon."""
import argparse
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest

try:
    import grpc
    import numpy as np

    import inferd
    from daemon_process import DaemonProcess, wait_until
    from local_protocol import EXHAUSTED, EXISTS, INVALID, NOT_FOUND, RANGE, VIOLATION, Client, Closed, frame
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
PUSH, WATCH, UNWATCH, RESULT = 9, 10, 11, 12
WIDTH, HEIGHT = 64, 48

PIPELINES = {
    "picture": f"source: {{push: {{name: camera, width: {WIDTH}, height: {HEIGHT}}}}}\nsinks: [jsonl: {{path: picture.jsonl}}]\n",
    "numbers": "source: {push: {name: imu, columns: [x, y, z], queue: 64}}\nsinks: [jsonl: {path: numbers.jsonl}]\n",
    # Takes one frame a minute: the others of those that are pushed are skipped.
    "rare": f"nodes:\n  in: {{source: {{push: {{name: rare, width: {WIDTH}, height: {HEIGHT}}}}}}}\n"
            "  out: {from: in, every: 1000000, sinks: [jsonl: {path: rare.jsonl}]}\n",
}


def push(source, buffer=0, offset=0, size=WIDTH * HEIGHT * 3, capture=0, number=1, kind=0, pixels=0, width=WIDTH,
         height=HEIGHT, stride=0, zero=0):
    return frame(PUSH, struct.pack("<IBBHQQqIIII", buffer, kind, pixels, len(source), offset, size, capture, width, height,
                                   stride, zero) + source.encode(), number)


def watch(pipeline, number=100, binary=False, capacity=0):
    return frame(WATCH, struct.pack("<HBBI", len(pipeline), int(binary), 0, capacity) + pipeline.encode(), number)


class PushTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = DaemonProcess(ARGS.inferd)
        folder = cls.daemon.folder
        cls.path = folder / "local.sock"
        files = []
        for name, text in PIPELINES.items():
            (folder / f"{name}.yaml").write_text(f"name: {name}\n{text}")
            files.append(f"{{file: {name}.yaml}}")
        cls.daemon.configure("server:\n  grpc: [unix:grpc]\n  local: [{path: local.sock, max_in_flight: 16}]\n"
                             f"pipelines: [{', '.join(files)}]\n")
        cls.daemon.start(cls.ready)

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        assert code == 0, code

    @classmethod
    def client(cls, transport):
        return inferd.Client(f"unix:{cls.daemon.folder}/grpc" if transport == "grpc" else f"local:{cls.path}", timeout=60)

    @classmethod
    def ready(cls):
        try:
            with cls.client("grpc") as client, client.pusher("camera") as pusher:
                pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
                return pusher.answers(60)[0].fate != "refused"
        except inferd.Error:
            return False

    def each_transport(self):
        for transport in ("grpc", "local"):
            with self.subTest(transport), self.client(transport) as client:
                yield client

    def open_files(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def mapped(self):
        return pathlib.Path(f"/proc/{self.daemon.process.pid}/maps").read_text().count("/memfd:")

    def wait_for_answers(self, pusher, count):
        answers = []
        while len(answers) < count:
            answers += pusher.answers(60)
        return answers

    def test_frames_come_out_with_their_times(self):
        for client in self.each_transport():
            watched = client.watch("picture", timeout=60)
            with client.pusher("camera") as pusher:
                for value in range(5):
                    picture = pusher.array((HEIGHT, WIDTH, 3))
                    picture[...] = value
                    captured = time.monotonic_ns() - 1000
                    number = pusher.push(picture, capture_ns=captured)
                    result = next(watched)
                    self.assertEqual((result.pipeline, result.capture_ns), ("picture", captured))
                    self.assertEqual((result.width, result.height), (WIDTH, HEIGHT))
                    answer, = self.wait_for_answers(pusher, 1)
                    self.assertEqual((answer.id, answer.fate, answer.capture_ns), (number, "used", captured))
            watched.close()

    def test_copies_and_other_arrays_are_pushed_as_well(self):
        for client in self.each_transport():
            with client.pusher("camera") as pusher:
                wide = np.full((HEIGHT, 2 * WIDTH, 3), 7, np.uint8)
                pusher.push(wide[:, ::2])  # not contiguous
                self.assertEqual(self.wait_for_answers(pusher, 1)[0].fate, "used")
                with self.assertRaises(inferd.Error) as refused:
                    pusher.push(np.zeros((3, 3)))
                self.assertEqual(refused.exception.code, inferd.Code.INVALID_ARGUMENT)
            with client.pusher("imu") as pusher, self.client("grpc") as watcher:
                watched = watcher.watch("numbers", timeout=60)
                # A first one, because gRPC subscribes while it is waited for.
                stop = threading.Event()

                def go_on():
                    while not stop.wait(0.01):
                        pusher.push(np.ones((4, 3), np.float32))

                thread = threading.Thread(target=go_on)
                thread.start()
                self.assertEqual(next(watched).pipeline, "numbers")
                stop.set()
                thread.join()
                watched.close()

    def test_a_jpeg_over_grpc(self):
        with self.client("grpc") as client, client.pusher("camera") as pusher:
            pusher.push(pathlib.Path(self.snapshot("picture")).read_bytes())
            pusher.push(b"\xff\xd8\xff nonsense")
            fates = {a.id: a.fate for a in self.wait_for_answers(pusher, 2)}
        # The second one may come before the first was taken.
        self.assertIn(fates[1], ("used", "overwritten"))
        self.assertEqual(fates[2], "failed")

    def snapshot(self, *arguments):
        """Of a pipeline while somebody pushes pictures of 200."""
        output = str(self.daemon.folder / "snapshot.jpg")
        with self.client("local") as client, client.pusher("camera") as pusher:
            program = subprocess.Popen([str(ARGS.inferctl), "--endpoint", f"unix:{self.daemon.folder}/grpc", "pipeline",
                                        "snapshot", *arguments, "--output", output], stdout=subprocess.PIPE, text=True)
            while program.poll() is None:
                pusher.push(np.full((HEIGHT, WIDTH, 3), 200, np.uint8))
                time.sleep(0.01)
            self.assertEqual(program.returncode, 0)
            self.assertIn(f"{WIDTH}x{HEIGHT}", program.stdout.read())
            program.stdout.close()
        return output

    def test_snapshots(self):
        for more in ((), ("--plain",), ("--node", "main:source")):
            self.assertTrue(pathlib.Path(self.snapshot("picture", *more)).read_bytes().startswith(b"\xff\xd8\xff"))
        with self.client("grpc") as client:
            for pipeline, node in (("nothing", ""), ("picture", "nothing")):
                with self.assertRaises(inferd.Error) as missing:
                    client.snapshot(pipeline, node)
                self.assertEqual(missing.exception.code, inferd.Code.NOT_FOUND)
            with self.assertRaises(inferd.Error) as silent:
                client.snapshot("rare", timeout=0.1)
            self.assertEqual(silent.exception.code, inferd.Code.DEADLINE_EXCEEDED)

    def test_stats(self):
        ctl = [str(ARGS.inferctl), "--endpoint", f"unix:{self.daemon.folder}/grpc"]
        table = subprocess.run([*ctl, "pipeline", "stats", "--count", "2", "--interval", "0.05"], capture_output=True,
                               text=True, timeout=60)
        self.assertEqual(table.stdout.count("p99 ms"), 2, table)
        self.assertIn("jsonl", table.stdout)
        lines = subprocess.run([*ctl, "--json", "pipeline", "stats", "picture", "--count", "2", "--interval", "0.05"],
                               capture_output=True, text=True, timeout=60).stdout.splitlines()
        self.assertEqual([[p["name"] for p in json.loads(line)] for line in lines], [["picture"]] * 2)

    def test_nobody_takes_them(self):
        with self.client("grpc") as client, client.pusher("nothing") as pusher:
            with self.assertRaises(inferd.Error) as missing:
                self.wait_for_answers(pusher, 1)
        self.assertEqual(missing.exception.code, inferd.Code.NOT_FOUND)
        self.assertIn("there are: camera, imu, rare", missing.exception.message)
        with self.client("local") as client, client.pusher("nothing") as pusher:
            pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
            answer, = self.wait_for_answers(pusher, 1)
        self.assertEqual(answer.fate, "refused")
        self.assertIn("there are: camera, imu, rare", answer.error)

    def test_a_frame_that_is_not_as_configured_is_refused_and_the_next_one_taken(self):
        for client in self.each_transport():
            with client.pusher("camera") as pusher:
                pusher.push(np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
                answer, = self.wait_for_answers(pusher, 1)
                self.assertEqual(answer.fate, "refused")
                self.assertIn("takes pictures of 64x48 in rgb, not of 66x48", answer.error)
                pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
                self.assertNotEqual(self.wait_for_answers(pusher, 1)[0].fate, "refused")

    def test_two_pushers_into_one_source(self):
        with self.client("grpc") as one, self.client("local") as other, one.pusher("camera") as a, other.pusher("camera") as b:
            for _ in range(50):
                for pusher in (a, b):
                    pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
            for pusher in (a, b):
                answers = self.wait_for_answers(pusher, 50)
                self.assertEqual(len({answer.id for answer in answers}), 50)
                self.assertLessEqual({answer.fate for answer in answers}, {"used", "overwritten"})

    def test_what_a_node_skips_is_told(self):
        for client in self.each_transport():
            with client.pusher("rare") as pusher:
                fates = set()
                for _ in range(3):
                    pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
                    fates.add(self.wait_for_answers(pusher, 1)[0].fate)
                self.assertIn("skipped", fates)

    def test_a_pipeline_that_stops_and_starts_again(self):
        for client in self.each_transport():
            with client.pusher("camera") as pusher, self.client("grpc") as admin:
                watched = self.client("local").watch("picture", timeout=60)
                admin.stop_pipeline("picture")
                self.assertEqual(list(watched), [], "the end is told")
                pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
                self.assertEqual(self.wait_for_answers(pusher, 1)[0].fate, "refused")
                admin.start_pipeline("picture")

                def taken():
                    pusher.push(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
                    return self.wait_for_answers(pusher, 1)[0].fate == "used"

                wait_until(taken, "it takes frames again")

    def test_a_slow_subscriber_loses_results_and_nobody_else_does(self):
        with Client(self.path) as slow, Client(self.path) as pusher:
            self.assertEqual(slow.call(watch("picture", capacity=2)).status, 0)
            pusher.map(0, 16384)
            pushed = 0

            def dropped():
                nonlocal pushed
                for _ in range(100):
                    answer = pusher.call(push("camera"))
                    self.assertEqual(answer.status, 0, answer.message)
                    pushed += 1
                return self.subscriber_drops() > 0

            wait_until(dropped, "the slow one's mailbox is full")
            # It can still ask for other things, after all the results that it has not read.
            slow.send(frame(6, struct.pack("<II", 0, 0), 7))
            seen, missed, answered = 0, 0, False
            while seen + missed < pushed or not answered:
                answer = slow.receive()
                answered = answered or answer.type == 0x8006
                if answer.type == RESULT:
                    seen += 1
                    missed, = struct.unpack_from("<Q", answer.data, 16)
        self.assertEqual(seen + missed, pushed, "it is told how many it has missed")
        self.assertGreater(missed, 0)

    def subscriber_drops(self):
        channel = grpc.insecure_channel(f"unix:{self.daemon.folder}/grpc")
        from inferd import _messages as pb
        response = pb.Stub(channel, "inferd.v1.PipelineService").ListPipelines(pb.pipelines.ListPipelinesRequest())
        channel.close()
        return next(p.subscriber_drops for p in response.pipelines if p.name == "picture")

    def test_binary_results(self):
        with Client(self.path) as client:
            client.map(0, 16384)
            self.assertEqual(client.call(watch("picture", 9, binary=True)).status, 0)
            client.send(push("camera", capture=1234, number=5))
            came = {answer.type: answer for answer in (client.receive(), client.receive())}
            result = came[RESULT]
            self.assertEqual(result.id, 9)
            dropped, sequence, capture, _ = struct.unpack_from("<QQqq", result.data, 16)
            self.assertEqual((dropped, capture), (0, 1234))
            magic, version, _, detections, inner, inner_capture = struct.unpack_from("<4sBBHQq", result.data, 48)
            self.assertEqual((magic, version, detections, inner, inner_capture), (b"IFDR", 1, 0, sequence, 1234))
            self.assertEqual(client.call(frame(UNWATCH, b"", 9)).status, 0)
            self.assertEqual(client.call(push("camera", number=6)).id, 6)
            self.assertEqual(client.call(frame(UNWATCH, b"", 9)).status, NOT_FOUND)

    def test_what_is_asked_for_wrongly(self):
        with Client(self.path) as client:
            client.map(0, 16384)
            for wrong, status in ((push("camera", buffer=3), NOT_FOUND), (push("camera", offset=8192), RANGE),
                                  (push("camera", size=1 << 60), RANGE), (push("camera", size=100), INVALID),
                                  (push("camera", pixels=1), INVALID), (push("camera", stride=5), INVALID),
                                  (push("camera", stride=0xFFFFFFFF), INVALID), (push("imu"), INVALID),
                                  (push("camera", kind=1, height=0, width=3), INVALID), (push(""), NOT_FOUND),
                                  (watch("nothing"), NOT_FOUND)):
                answer = client.call(wrong)
                self.assertEqual(answer.status, status, answer.message)
            for number in range(16):
                self.assertEqual(client.call(watch("picture", number)).status, 0)
            self.assertEqual(client.call(watch("picture", 3)).status, EXISTS)
            self.assertEqual(client.call(watch("picture", 17)).status, EXHAUSTED)

    def test_what_is_no_frame(self):
        for wrong in (push("camera", offset=4), push("camera", zero=1), push("camera", kind=2), push("camera", pixels=10),
                      push("camera", capture=-1), push("camera", width=1 << 31), push("camera")[:-1],
                      frame(PUSH, bytes(12)), frame(WATCH, struct.pack("<HBBI", 0, 2, 0, 0)),
                      frame(WATCH, struct.pack("<HBBI", 0, 0, 1, 0)), frame(UNWATCH, bytes(8)), frame(RESULT)):
            with Client(self.path) as client:
                client.map(0, 16384)
                self.assertEqual(client.call(wrong).type, VIOLATION)
                with self.assertRaises(Closed):
                    client.receive()

    def test_an_unmapped_buffer_stays_until_its_frame_has_gone(self):
        with Client(self.path) as client:
            client.map(0, 16384)
            client.send(push("camera", number=5))
            client.send(frame(3, struct.pack("<II", 0, 0), 6))
            self.assertEqual({client.receive().id, client.receive().id}, {5, 6})
            self.assertEqual(client.call(push("camera", number=7)).status, NOT_FOUND)

    def test_a_hundred_clients_that_go_in_the_middle_leave_nothing(self):
        def come_and_go(i):
            client = Client(self.path)
            client.map(0, 16384)
            client.send(watch("picture"))
            for number in range(8):
                client.send(push("camera", number=number))
            if i % 2:
                client.receive()
            client.close()

        come_and_go(0)
        wait_until(lambda: self.mapped() == 0, "the first one's memory has gone")
        files = self.open_files()
        for i in range(100):
            come_and_go(i)
        wait_until(lambda: self.mapped() == 0, "memory has gone")
        wait_until(lambda: self.open_files() <= files, "files are closed")

    def test_killed_processes(self):
        """In the middle of pushing and watching."""
        script = ("import sys, numpy as np, inferd\n"
                  "client = inferd.Client(sys.argv[1])\n"
                  "pusher = client.pusher('camera')\n"
                  "results = client.watch('picture')\n"
                  "while True:\n"
                  f"    pusher.push(np.zeros(({HEIGHT}, {WIDTH}, 3), np.uint8))\n"
                  "    next(results)\n"
                  "    print('on', flush=True)\n")
        for transport in (f"unix:{self.daemon.folder}/grpc", f"local:{self.path}"):
            program = subprocess.Popen([sys.executable, "-c", script, transport], stdout=subprocess.PIPE)
            for _ in range(5):
                self.assertTrue(program.stdout.readline())
            program.send_signal(signal.SIGKILL)
            program.wait(timeout=60)
            program.stdout.close()
        wait_until(lambda: self.mapped() == 0, "memory has gone")
        self.test_frames_come_out_with_their_times()

    def test_in_c(self):
        done = subprocess.run([str(ARGS.c_example), str(self.path), "camera", "picture", str(WIDTH), str(HEIGHT)],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.count('"pipeline":"picture"'), 10, done.stdout)
        self.assertEqual(done.stdout.count(" used"), 10, done.stdout)
        wrong = subprocess.run([str(ARGS.c_example), str(self.path), "camera", "nothing", "8", "8"], capture_output=True,
                               text=True, timeout=60)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("there is no pipeline 'nothing'", wrong.stderr)

    def test_in_cpp(self):
        for endpoint in (f"unix:{self.daemon.folder}/grpc", f"local:{self.path}"):
            done = subprocess.run([str(ARGS.cpp_example), endpoint, "camera", "picture", str(WIDTH), str(HEIGHT)],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("10 frames", done.stdout)

    def test_in_python(self):
        example = pathlib.Path(ARGS.python_examples) / "push.py"
        for endpoint in (f"unix:{self.daemon.folder}/grpc", f"local:{self.path}"):
            done = subprocess.run([sys.executable, str(example), endpoint, "camera", "picture", str(WIDTH), str(HEIGHT)],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("10 frames", done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    parser.add_argument("--c-example", type=pathlib.Path, required=True)
    parser.add_argument("--cpp-example", type=pathlib.Path, required=True)
    parser.add_argument("--python-examples", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
