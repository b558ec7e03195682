#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The local socket as clients meet it, good ones and bad ones: frames written by hand, against a real daemon."""
import argparse
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from daemon_process import DaemonProcess, wait_until
from local_protocol import (BIND, CANCEL, CANCELLED, Client, Closed, DEADLINE, EXHAUSTED, EXISTS, F_ADD_SEALS, HELLO, INFER,
                            INLINE, INVALID, LIST, MAP, NOT_FOUND, NOWHERE, PRECONDITION, RANGE, SEAL_GROW, SEAL_SEAL,
                            SEAL_SHRINK, SEAL_WRITE, UNAVAILABLE, UNBIND, UNMAP, VIOLATION, frame, infer, memfd, outputs_of,
                            place)

try:
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-numpy")
    sys.exit(77)

try:
    import grpc
    import raw_protocol
except ImportError:
    grpc = None  # and those tests are skipped

ARGS = None
TIMEOUT_S = 60


class Daemon(DaemonProcess):
    """A daemon with models {name: file} on its local socket; `options` are that one's."""

    def __init__(self, models, options=""):
        super().__init__(ARGS.inferd)
        for name, file in models.items():
            self.add_model(name, file)
        self.path = self.folder / "local.sock"
        self.configure(f"server:\n  grpc: [unix:grpc.sock]\n  local: [{{path: local.sock{options}}}]\n"
                       "models: {root: models}\n")
        self.start(self.answers)
        wait_until(lambda: self.clients() == 0, "the first client is forgotten")
        self.descriptors = self.open_descriptors()

    def answers(self):
        try:
            Client(self.path).close()
            return True
        except OSError:
            return False

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def sockets(self):
        return sum(1 for line in pathlib.Path("/proc/net/unix").read_text().splitlines()
                   if line.endswith(str(self.path)))

    def clients(self):
        return self.sockets() - 1

    def mapped(self):
        return pathlib.Path(f"/proc/{self.process.pid}/maps").read_text().count("/memfd:test")


class LocalSocket(unittest.TestCase):
    # In flight, more answers than a socket has room for.
    OPTIONS = ", max_in_flight: 256, max_connections: 12, max_user_connections: 10, max_buffer_bytes: 4194304, max_user_bytes: 8388608"

    @classmethod
    def setUpClass(cls):
        cls.file = ARGS.models / "tflite/vww_96_int8.tflite"
        slow = ARGS.models / "tflite/mobilenet_v2_1.0_224_quant.tflite"
        for file in (cls.file, slow):
            if not file.exists():
                raise unittest.SkipTest(f"SKIPPED: no model {file}")
        cls.daemon = Daemon({"vww": cls.file, "slow": slow}, cls.OPTIONS)
        cls.shape = (1, 96, 96, 3)
        cls.image = np.random.default_rng(1).integers(-128, 127, cls.shape, np.int8)
        cls.expected = cls.run_locally(cls.image)

    @classmethod
    def tearDownClass(cls):
        assert cls.daemon.stop() == 0

    @classmethod
    def run_locally(cls, array):
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/in.npy", array)
            command = [ARGS.inferctl, "run", cls.file, "--input", f"{folder}/in.npy", "--output-dir", f"{folder}/out",
                       "--json"]
            name = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]["name"]
            return np.load(f"{folder}/out/" + re.sub(r"[^A-Za-z0-9._-]", "_", name) + ".npy").tobytes()

    def setUp(self):
        self.client = self.ready_client()

    def ready_client(self):
        client = Client(self.daemon.path)
        self.addCleanup(client.close)
        self.assertEqual(client.map(0, 1 << 20).status, 0)
        answer = client.bind("vww")
        self.assertEqual(answer.status, 0, answer.message)
        return client

    def tearDown(self):
        """Whatever happened, the daemon still works, and nothing of the clients is left."""
        with Client(self.daemon.path) as other:
            other.map(3, 1 << 16)
            other.bind("vww", 5)
            self.check_answer(other, 3, 5)
        self.client.close()
        self.doCleanups()
        wait_until(lambda: self.daemon.clients() == 0, "clients are forgotten")
        wait_until(lambda: self.daemon.open_descriptors() == self.daemon.descriptors, "descriptors are closed")
        wait_until(lambda: self.daemon.mapped() == 0, "buffers are unmapped")

    def request(self, number=1, buffer=0, binding=0, deadline=0):
        return infer(binding, [place(buffer, 0, self.image.size)], [place(buffer, 1 << 15, 64)], number, deadline)

    def check_answer(self, client, buffer=0, binding=0):
        client.memory[buffer][:self.image.size] = self.image.tobytes()
        answer = client.call(self.request(77, buffer, binding))
        self.assertEqual((answer.status, answer.type, answer.id), (0, INFER | 0x8000, 77), answer.message)
        size = outputs_of(answer)[0][2]
        self.assertEqual(client.memory[buffer][1 << 15:(1 << 15) + size], self.expected)
        return answer

    # ---- What it is for ----

    def test_results_are_those_of_inferctl_run(self):
        answer = self.check_answer(self.client)
        batch, _, queue, _, compute, total = struct.unpack_from("<IIqqqq", answer.data, 16)
        self.assertEqual(batch, 1)
        self.assertGreater(compute, 0)
        self.assertGreaterEqual(total, compute + queue)

    def test_small_tensors_travel_in_the_frame(self):
        data = self.image.tobytes()
        answer = self.client.call(infer(0, [place(INLINE, 96, len(data))], [place(INLINE, 0, 0)], data=data))
        self.assertEqual(answer.status, 0, answer.message)
        self.assertEqual(outputs_of(answer)[0][3], self.expected)

    def test_unwanted_outputs_are_left_out(self):
        answer = self.client.call(infer(0, [place(0, 0, self.image.size)], [place(NOWHERE, 0, 0)]))
        self.assertEqual(answer.status, 0, answer.message)
        self.assertEqual(outputs_of(answer)[0][:3], (NOWHERE, (1, 2), 2))

    def test_a_request_may_carry_a_batch(self):
        self.client.memory[0][:2 * self.image.size] = self.image.tobytes() * 2
        shape = (2, 96, 96, 3)
        answer = self.client.call(infer(0, [place(0, 0, 2 * self.image.size, shape)], [place(INLINE, 0, 0)]))
        self.assertEqual(answer.status, 0, answer.message)
        self.assertEqual(outputs_of(answer)[0][1:], ((2, 2), 4, self.expected * 2))

    def test_many_requests_are_on_their_way_at_once(self):
        self.client.memory[0][:self.image.size] = self.image.tobytes()
        numbers = range(100, 100 + self.client.max_in_flight)
        for number in numbers:
            self.client.send(self.request(number))
        answers = [self.client.receive() for _ in numbers]
        self.assertEqual({a.status for a in answers}, {0}, [a.message for a in answers])
        self.assertEqual(sorted(a.id for a in answers), list(numbers))

    def test_models_are_listed(self):
        names = []
        for index in range(2):
            data = self.client.call(frame(LIST, struct.pack("<II", index, 0))).data
            count, state, size, version = struct.unpack_from("<IHHq", data, 16)
            self.assertEqual((count, state, version), (2, 1, 1))
            names.append(data[32:32 + size].decode())
        self.assertEqual(sorted(names), ["slow", "vww"])
        self.assertEqual(self.client.call(frame(LIST, struct.pack("<II", 2, 0))).status, RANGE)

    def test_a_write_sealed_memfd_holds_inputs_only(self):
        fd = memfd(1 << 16, 0)
        os.write(fd, self.image.tobytes())
        fcntl.fcntl(fd, F_ADD_SEALS, SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE)
        answer = self.client.call(frame(MAP, struct.pack("<IIQ", 1, 0, 1 << 16)), [fd])
        os.close(fd)
        self.assertEqual(answer.status, 0, answer.message)
        answer = self.client.call(infer(0, [place(1, 0, self.image.size)], [place(INLINE, 0, 0)]))
        self.assertEqual(outputs_of(answer)[0][3], self.expected)
        answer = self.client.call(infer(0, [place(1, 0, self.image.size)], [place(1, 0, 64)]))
        self.assertEqual(answer.status, INVALID)
        self.assertIn("sealed against writing", answer.message)

    def test_cancelled_and_late_requests_are_answered(self):
        self.client.bind("slow", 1)
        size = 224 * 224 * 3
        slow = [infer(1, [place(0, 0, size)], [place(NOWHERE, 0, 0)], number) for number in range(20)]
        for request in slow:
            self.client.send(request)
        self.client.send(infer(1, [place(0, 0, size)], [place(NOWHERE, 0, 0)], 50))
        self.client.send(frame(CANCEL, number=50))
        self.client.send(infer(1, [place(0, 0, size)], [place(NOWHERE, 0, 0)], 51, time.monotonic_ns() + 1000))
        answers = {a.id: a for a in (self.client.receive() for _ in range(22))}
        self.assertEqual(answers[50].status, CANCELLED, answers[50].message)
        self.assertEqual(answers[51].status, DEADLINE, answers[51].message)
        self.assertEqual({answers[n].status for n in range(20)}, {0})

    # ---- Mistakes that are answered ----

    def test_impossible_requests_are_answered_and_the_connection_goes_on(self):
        size = self.image.size
        there, room = place(0, 0, size), place(0, 1 << 15, 64)
        big = (1 << 64) - 8
        cases = [
            (infer(1, [there], [room]), NOT_FOUND, "no binding 1"),
            (infer(1 << 31, [there], [room]), NOT_FOUND, "no binding"),
            (infer(0, [place(9, 0, size)], [room]), NOT_FOUND, "no buffer 9"),
            (infer(0, [place(1 << 30, 0, size)], [room]), NOT_FOUND, "no buffer"),
            (infer(0, [there], [place(9, 0, 64)]), NOT_FOUND, "no buffer 9"),
            (infer(0, [place(0, 1 << 20, size)], [room]), RANGE, "outside of a buffer"),
            (infer(0, [place(0, big, size)], [room]), RANGE, "outside of a buffer"),
            (infer(0, [place(0, 8, big)], [room]), RANGE, "outside of a buffer"),
            (infer(0, [there], [place(0, big, 16)]), RANGE, "outside of a buffer"),
            (infer(0, [place(0, 0, size - 1)], [room]), INVALID, "27647 bytes"),
            (infer(0, [place(0, 0, size, (1, 96, 96))], [room]), INVALID, "has shape [1,96,96]"),
            (infer(0, [place(0, 0, size, (1 << 62, 96, 96, 3))], [room]), INVALID, "more elements"),
            (infer(0, [place(0, 0, 0, (0, 96, 96, 3))], [room]), INVALID, "has shape [0,"),
            (infer(0, [place(0, 0, size, (-1, 96, 96, 3))], [room]), INVALID, "has shape [?,"),
            (infer(0, [there, there], [room]), INVALID, "2 inputs, the model has 1"),
            (infer(0, [there], []), INVALID, "0 outputs, the model has 1"),
            (infer(0, [there], [place(0, 1 << 15, 1)]), RANGE, "has 2 bytes, the request has room for 1"),
            (frame(UNMAP, struct.pack("<II", 5, 0)), NOT_FOUND, "no buffer 5"),
            (frame(UNBIND, struct.pack("<II", 5, 0)), NOT_FOUND, "no binding 5"),
            (frame(BIND, struct.pack("<IHHq", 1, 4, 0, 0) + b"nope"), NOT_FOUND, "no model 'nope'"),
            (frame(BIND, struct.pack("<IHHq", 1, 3, 0, 7) + b"vww"), NOT_FOUND, "no version 7"),
            (frame(BIND, struct.pack("<IHHq", 99, 3, 0, 0) + b"vww"), RANGE, "largest number is 63"),
            (frame(LIST, struct.pack("<II", 99, 0)), RANGE, "there are 2 models"),
        ]
        for data, status, message in cases:
            with self.subTest(message=message):
                answer = self.client.call(data)
                self.assertEqual(answer.status, status, answer.message)
                self.assertIn(message, answer.message)
                self.check_answer(self.client)

    def refused_file(self, fd, size, status, message, number=1):
        with self.subTest(message=message):
            answer = self.client.call(frame(MAP, struct.pack("<IIQ", number, 0, size)), [fd])
            self.assertEqual(answer.status, status, answer.message)
            self.assertIn(message, answer.message)
        os.close(fd)

    def test_only_sealed_memory_is_mapped(self):
        page = 4096
        seals = "must be a memfd with the seals"
        self.refused_file(memfd(page, 0), page, PRECONDITION, seals)
        self.refused_file(memfd(page, SEAL_GROW | SEAL_SEAL), page, PRECONDITION, seals)
        self.refused_file(memfd(page, SEAL_SHRINK | SEAL_GROW), page, PRECONDITION, seals)
        regular = os.open(self.daemon.folder / "file", os.O_RDWR | os.O_CREAT)
        os.ftruncate(regular, page)
        self.refused_file(regular, page, PRECONDITION, seals)
        for path in ("/dev/zero", "/dev/shm/inferd-test"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT)
            if path != "/dev/zero":
                os.ftruncate(fd, page)
                os.unlink(path)
            self.refused_file(fd, page, PRECONDITION, seals)
        reader, writer = os.pipe()
        os.close(writer)
        self.refused_file(reader, page, PRECONDITION, seals)
        self.refused_file(memfd(page), 2 * page, INVALID, "has 4096 bytes, not the 8192")
        self.refused_file(memfd(page), 0, INVALID, "has 4096 bytes, not the 0")
        self.refused_file(memfd(0), 0, INVALID, "has 0 bytes")
        self.refused_file(memfd(page), page, RANGE, "largest number is 63", number=64)
        self.refused_file(memfd(page), page, EXISTS, "buffer 0 is mapped", number=0)
        read_only = memfd(page)
        self.refused_file(os.open(f"/proc/self/fd/{read_only}", os.O_RDONLY), page, PRECONDITION, "cannot be mapped")
        os.close(read_only)
        try:
            huge = memfd(2 << 20, flags=os.MFD_HUGETLB)
        except OSError:
            return  # this kernel has none to offer
        self.refused_file(huge, 2 << 20, PRECONDITION, "normal pages")

    def test_a_mapped_buffer_cannot_be_truncated(self):
        fd = memfd(1 << 16)
        self.assertEqual(self.client.call(frame(MAP, struct.pack("<IIQ", 1, 0, 1 << 16)), [fd]).status, 0)
        for size in (0, 4096, 1 << 20):
            self.assertRaises(PermissionError, os.ftruncate, fd, size)
        os.close(fd)

    def test_bytes_are_limited_for_a_connection_and_for_a_user(self):
        answer = self.client.map(1, 4 << 20)
        self.assertEqual(answer.status, EXHAUSTED)
        self.assertIn("max_buffer_bytes", answer.message)
        self.assertEqual(self.client.map(1, 3 << 20).status, 0)
        with Client(self.daemon.path) as second, Client(self.daemon.path) as third:
            self.assertEqual(second.map(0, 3 << 20).status, 0)
            answer = third.map(0, 3 << 20)
            self.assertEqual(answer.status, EXHAUSTED)
            self.assertIn("max_user_bytes", answer.message)
            self.assertEqual(second.call(frame(UNMAP, struct.pack("<II", 0, 0))).status, 0)
            self.assertEqual(third.map(0, 3 << 20).status, 0)

    def test_connections_are_limited_for_a_user(self):
        clients = [self.client] + [Client(self.daemon.path) for _ in range(9)]
        with Client(self.daemon.path, hello=False) as refused:
            answer = refused.receive()
            self.assertEqual((answer.type, answer.status), (VIOLATION, EXHAUSTED))
            self.assertIn("max_user_connections", answer.message)
            self.assertRaises(Closed, refused.receive)
        for client in clients[1:]:
            client.close()

    def test_too_many_requests_on_their_way_are_refused(self):
        self.client.bind("slow", 1)
        count = self.client.max_in_flight + 20
        for number in range(count):
            self.client.send(infer(1, [place(0, 0, 224 * 224 * 3)], [place(NOWHERE, 0, 0)], number))
        statuses = [self.client.receive().status for _ in range(count)]
        self.assertEqual(set(statuses), {0, EXHAUSTED})
        self.assertGreaterEqual(statuses.count(0), self.client.max_in_flight)

    # ---- Those who do not speak the protocol ----

    def test_violations_end_the_connection(self):
        fd = memfd(4096)
        hello = frame(HELLO, struct.pack("<IHH", 0x4C444649, 1, 1))
        good = self.request()
        cases = [
            (b"x", [], "a frame of 1 bytes"),
            (os.urandom(15), [], "a frame of 15 bytes"),
            (b"\0" * 64, [], "says it has 0 bytes"),
            (struct.pack("<IHHQ", 17, INFER, 0, 1), [], "says it has 17 bytes"),
            (struct.pack("<IHHQ", 16, INFER, 5, 1), [], "has a status"),
            (frame(99), [], "no frame of type 99"),
            (frame(0), [], "no frame of type 0"),
            (frame(INFER | 0x8000), [], "no frame of type"),
            (hello, [], "the first frame, and no other, is HELLO"),
            (frame(INFER), [], "INFER is cut short"),
            (good[:-8].replace(struct.pack("<I", len(good)), struct.pack("<I", len(good) - 8), 1), [], "cut short"),
            (infer(0, [], [], counts=(65535, 65535)), [], "cut short"),
            (infer(0, [place(0, 4, 8)], [place(0, 0, 8)]), [], "not 8-aligned"),
            (infer(0, [place(NOWHERE, 0, 0)], [place(0, 0, 8)]), [], "an input that is nowhere"),
            (infer(0, [place(INLINE, 0, 8)], [place(0, 0, 8)]), [], "outside of the frame's data"),
            (infer(0, [place(INLINE, 96, 8)], [place(0, 0, 8)]), [], "outside of the frame's data"),
            (infer(0, [place(INLINE, (1 << 64) - 8, 16)], [place(0, 0, 8)]), [], "outside of the frame's data"),
            (infer(0, [place(0, 0, 8)], [place(0, 0, 8, (1,))]), [], "gives an output a shape"),
            (infer(0, [place(0, 0, 8)], [place(INLINE, 8, 8)]), [], "gives room to an output"),
            (infer(0, [place(0, 0, 8, (1,) * 9)], [place(0, 0, 8)]), [], "a tensor of rank 9"),
            (infer(0, [], [], flags=4), [], "flags out of range"),
            (infer(0, [], [], deadline=-1), [], "a deadline, a priority or flags"),
            (frame(MAP, struct.pack("<IIQ", 1, 1, 4096)), [fd], "must be zero"),
            (frame(MAP, struct.pack("<IIQ", 1, 0, 4096)), [], "has 0 descriptors, not 1"),
            (frame(MAP, struct.pack("<IIQ", 1, 0, 4096)), [fd, fd], "has 2 descriptors, not 1"),
            (frame(MAP, struct.pack("<IIQ", 1, 0, 4096)), [fd] * 9, "more descriptors than can be taken"),
            (frame(MAP, struct.pack("<IIQ", 1, 0, 4096)), [fd] * 250, "more descriptors than can be taken"),
            (good, [fd], "has 1 descriptors, not 0"),
            (frame(BIND, struct.pack("<IHHq", 1, 400, 0, 0) + b"vww"), [], "BIND is cut short"),
            (frame(BIND, struct.pack("<IHHq", 1, 3, 0, -1) + b"vww"), [], "a negative version"),
            (frame(BIND, struct.pack("<IHHq", 1, 3, 0, 0) + b"vwwx"), [], "1 bytes too many"),
            (frame(CANCEL, b"x"), [], "bytes too many"),
            (frame(UNMAP, b""), [], "cut short"),
            (frame(INFER, b"\0" * 65536), [], "a frame of 65537 bytes"),
        ]
        for data, fds, message in cases:
            with self.subTest(message=message, data=data[:32]):
                client = self.ready_client()
                client.send(data, fds)
                answer = client.receive()
                self.assertEqual((answer.type, answer.status), (VIOLATION, INVALID), answer.message)
                self.assertIn(message, answer.message)
                self.assertRaises(Closed, client.receive)
                client.close()
                wait_until(lambda: self.daemon.clients() == 1, "the client is forgotten")
        os.close(fd)

    def test_the_first_frame_is_hello(self):
        for data, type_, status in ((self.request(), VIOLATION, INVALID), (frame(CANCEL), VIOLATION, INVALID),
                                    (frame(HELLO, struct.pack("<IHH", 0x12345678, 1, 1)), VIOLATION, INVALID),
                                    (frame(HELLO, struct.pack("<IHH", 0x4C444649, 2, 1)), VIOLATION, INVALID),
                                    (frame(HELLO, struct.pack("<IHH", 0x4C444649, 2, 9)), HELLO | 0x8000, 12)):
            with Client(self.daemon.path, hello=False) as client:
                answer = client.call(data)
                self.assertEqual((answer.type, answer.status), (type_, status), answer.message)
                self.assertRaises(Closed, client.receive)

    def test_one_who_stops_reading_harms_nobody(self):
        other = self.ready_client()
        with self.assertRaises((Closed, BrokenPipeError, ConnectionResetError)):
            for number in range(100_000):
                self.client.send(frame(BIND, struct.pack("<IHHq", 0, 3, 0, 0) + b"vww", number))
                if number % 100 == 0:
                    self.check_answer(other)
            self.fail("the daemon took 100,000 frames of a client that reads nothing")
        self.check_answer(other)

    def test_answers_wait_for_one_who_reads_late(self):
        """More answers than the socket has room for are kept, and come when they are read."""
        self.client.bind("slow", 1)
        for number in range(self.client.max_in_flight):
            self.client.send(infer(1, [place(0, 0, 224 * 224 * 3)], [place(INLINE, 0, 0)], number))
        other = self.ready_client()
        self.check_answer(other)
        ids = sorted(self.client.receive().id for _ in range(self.client.max_in_flight))
        self.assertEqual(ids, list(range(self.client.max_in_flight)))
        self.check_answer(self.client)

    def test_one_who_dies_harms_nobody(self):
        for _ in range(5):
            child = os.fork()
            if child == 0:
                client = Client(self.daemon.path)
                client.map(0, 1 << 20)
                client.bind("slow")
                for number in range(50):
                    client.send(infer(0, [place(0, 0, 224 * 224 * 3)], [place(0, 1 << 19, 4096)], number))
                os.kill(os.getpid(), signal.SIGKILL)
            self.assertEqual(os.waitpid(child, 0)[1], signal.SIGKILL)
            self.check_answer(self.client)
        wait_until(lambda: self.daemon.clients() == 1, "the dead are forgotten")

    def test_one_who_changes_its_inputs_harms_only_itself(self):
        stop = threading.Event()
        vandal = self.ready_client()

        def change():
            noise = [os.urandom(self.image.size) for _ in range(4)]
            while not stop.is_set():
                for data in noise:
                    vandal.memory[0][:len(data)] = data

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for number in range(200):
                self.assertEqual(vandal.call(self.request(number)).status, 0)
                self.check_answer(self.client)
        finally:
            stop.set()
            thread.join()

    def test_memory_stays_until_its_requests_are_done(self):
        self.client.bind("slow", 1)
        for number in range(10):
            self.client.send(infer(1, [place(0, 0, 224 * 224 * 3)], [place(0, 1 << 19, 4096)], number))
        self.client.send(frame(UNMAP, struct.pack("<II", 0, 0), 90))
        self.client.send(frame(UNBIND, struct.pack("<II", 1, 0), 91))
        answers = {a.id: a.status for a in (self.client.receive() for _ in range(12))}
        self.assertEqual(answers, {**{n: 0 for n in range(10)}, 90: 0, 91: 0})
        self.assertEqual(self.client.map(0, 1 << 20).status, 0)

    # ---- What it costs ----

    def test_a_request_makes_no_system_calls_but_to_wait_receive_and_send(self):
        if shutil.which("strace") is None:
            self.skipTest("SKIPPED: no strace")
        for _ in range(50):
            self.check_answer(self.client)
        log = self.daemon.folder / "strace"
        trace = subprocess.Popen(["strace", "-f", "-q", "-p", str(self.daemon.process.pid), "-o", str(log)],
                                 stderr=subprocess.PIPE, text=True)
        try:
            # It is attached when it reports calls.
            wait_until(lambda: trace.poll() is not None or (self.check_answer(self.client), log.exists() and
                       log.stat().st_size > 0)[1], "strace attaches")
            if trace.poll() is not None:
                self.skipTest("SKIPPED: strace cannot attach: " + trace.stderr.read())
            self.check_answer(self.client)
            before = log.read_text().count("\n")
            for _ in range(100):
                self.check_answer(self.client)
        finally:
            trace.send_signal(signal.SIGINT)
            trace.wait()
            trace.stderr.close()
        calls = [match.groups() for match in (re.match(r"(\d+)\s+(\w+)\(", line)
                                              for line in log.read_text().splitlines()[before:]) if match]
        # Threads that have to do with requests: others of the daemon have timers of their own.
        threads = {thread for thread, name in calls if name in ("recvmsg", "sendto")}
        names = {}
        for thread, name in calls:
            if thread in threads:
                names[name] = names.get(name, 0) + 1
        self.assertGreaterEqual(names.get("sendto", 0), 100, names)
        # What a thread was in when strace came, it says by this.
        names.pop("restart_syscall", None)
        # futex: between the threads of the engine and of the queue. Now and then one of them runs its first request ever
        # and gets an allocator's arena by a call or two of mmap, munmap and mprotect; what belongs to each request comes a
        # hundred times.
        others = {name: count for name, count in names.items()
                  if name not in ("epoll_wait", "recvmsg", "sendto", "futex", "sched_yield")}
        self.assertLess(sum(others.values()), 50, names)
        print("system calls of 100 requests:", names)


class Clients(unittest.TestCase):
    """The C++ client and inferctl over the local socket, and models that come and go."""

    def test_a_binding_does_not_keep_a_model(self):
        file = ARGS.models / "tflite/vww_96_int8.tflite"
        if not file.exists() or grpc is None:
            self.skipTest(f"SKIPPED: no model {file}, or no python3-grpcio")
        pb, pb_grpc = raw_protocol.load_stubs()
        daemon = Daemon({"vww": file})
        request = infer(0, [place(INLINE, 96, 27648)], [place(INLINE, 0, 0)], data=bytes(27648))
        try:
            with grpc.insecure_channel(f"unix:{daemon.folder}/grpc.sock") as channel, Client(daemon.path) as client:
                stub = pb_grpc.GRPCInferenceServiceStub(channel)
                self.assertEqual(client.bind("vww").status, 0)
                expected = outputs_of(client.call(request))
                stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="vww"), timeout=TIMEOUT_S)
                self.assertEqual(outputs_of(client.call(request)), expected)
                # One that was bound by its number does not follow the model.
                self.assertEqual(client.bind("vww", 0, 1).status, 0)
                stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="vww"), timeout=TIMEOUT_S)
                wait_until(lambda: client.call(request).status == UNAVAILABLE, "the old version goes")
                self.assertIn("bind again", client.call(request).message)
                self.assertEqual(client.bind("vww").status, 0)
                self.assertEqual(outputs_of(client.call(request)), expected)
                stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="vww"), timeout=TIMEOUT_S)
                self.assertEqual(client.call(request).status, UNAVAILABLE)
                self.assertNotEqual(client.bind("vww").status, 0)
        finally:
            self.assertEqual(daemon.stop(), 0)

    def test_a_daemon_may_look_for_messages_before_it_sleeps(self):
        file = ARGS.models / "tflite/vww_96_int8.tflite"
        if not file.exists():
            self.skipTest(f"SKIPPED: no model {file}")
        daemon = Daemon({"vww": file}, ", spin_us: 2000")
        request = infer(0, [place(INLINE, 96, 27648)], [place(INLINE, 0, 0)], data=bytes(27648))
        try:
            with Client(daemon.path) as one, Client(daemon.path) as other:
                for client in (one, other):
                    self.assertEqual(client.bind("vww").status, 0)
                expected = outputs_of(one.call(request))
                for pause in (0, 0.004):  # found by looking, and by sleeping
                    for _ in range(100):
                        self.assertEqual(outputs_of(other.call(request)), expected)
                        self.assertEqual(outputs_of(one.call(request)), expected)
                        time.sleep(pause)
        finally:
            self.assertEqual(daemon.stop(), 0)

    def test_inferctl_over_the_local_socket(self):
        file = ARGS.models / "tflite/vww_96_int8.tflite"
        if not file.exists():
            self.skipTest(f"SKIPPED: no model {file}")
        daemon = Daemon({"vww": file})
        try:
            image = np.random.default_rng(2).integers(-128, 127, (1, 96, 96, 3), np.int8)
            np.save(daemon.folder / "in.npy", image)
            outputs = []
            for endpoint in (f"local:{daemon.path}", f"unix:{daemon.folder}/grpc.sock"):
                result = subprocess.run([ARGS.inferctl, "--endpoint", endpoint, "infer", "vww", "--input",
                                         daemon.folder / "in.npy", "--json"], capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)
                outputs.append(result.stdout)
            self.assertEqual(outputs[0], outputs[1])
            for command in (["health"], ["model", "list"]):
                result = subprocess.run([ARGS.inferctl, "--endpoint", f"local:{daemon.path}", *command],
                                        capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)
            result = subprocess.run([ARGS.inferctl, "--endpoint", f"local:{daemon.path}", "infer", "nope", "--input",
                                     daemon.folder / "in.npy"], capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("there is no model 'nope'", result.stderr)
            gone = subprocess.run([ARGS.inferctl, "--endpoint", "local:/nonexistent/local.sock", "health"],
                                  capture_output=True, text=True)
            self.assertEqual(gone.returncode, 3, gone.stderr)
        finally:
            self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--inferctl", required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
