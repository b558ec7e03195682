# SPDX-License-Identifier: Apache-2.0
"""The local socket's frames as docs/local-socket.md has them, written by hand: a client for tests that can also lie."""
import fcntl
import mmap
import os
import socket
import struct

HELLO, MAP, UNMAP, BIND, UNBIND, LIST, INFER, CANCEL = range(1, 9)
VIOLATION = 0xFFFF
INLINE, NOWHERE = 0xFFFFFFFF, 0xFFFFFFFE
BOUND_SHAPE = 0xFF
F_ADD_SEALS, SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 1033, 1, 2, 4, 8
CANCELLED, INVALID, DEADLINE, NOT_FOUND, EXISTS, EXHAUSTED, PRECONDITION, RANGE, UNAVAILABLE = 1, 3, 4, 5, 6, 8, 9, 11, 14


def frame(kind, body=b"", number=1):
    return struct.pack("<IHHQ", 16 + len(body), kind, 0, number) + body


def place(buffer, offset, size, shape=None):
    rank = BOUND_SHAPE if shape is None else len(shape)
    return struct.pack(f"<IB3xQQ{0 if shape is None else rank}q", buffer, rank, offset, size, *(shape or ()))


def infer(binding, inputs, outputs, number=1, deadline=0, data=b"", counts=None, flags=0, sequence=0):
    counts = counts or (len(inputs), len(outputs))
    body = struct.pack("<IHHqIHHQ", binding, *counts, deadline, 0, flags, 0, sequence)
    return frame(INFER, body + b"".join(inputs) + b"".join(outputs) + data, number)


def memfd(size, seals=SEAL_SEAL | SEAL_SHRINK | SEAL_GROW, flags=0):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class Closed(Exception):
    """The daemon ended the connection."""


class Answer:
    def __init__(self, data):
        size, self.type, self.status, self.id = struct.unpack_from("<IHHQ", data)
        assert size == len(data)
        self.data = data
        self.message = data[16:].decode() if self.status else ""


class Client:
    def __init__(self, path, hello=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.memory = {}
        if hello:
            answer = self.call(frame(HELLO, struct.pack("<IHH", 0x4C444649, 1, 1)))
            assert answer.status == 0, answer.message
            self.limits = struct.unpack_from("<IHHIIIIQ", answer.data, 16)
            self.max_in_flight = self.limits[4]

    def send(self, data, fds=()):
        if fds:
            socket.send_fds(self.socket, [data], list(fds))
        else:
            self.socket.send(data)

    def receive(self):
        try:
            data = self.socket.recv(1 << 17)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed()
        return Answer(data)

    def call(self, data, fds=()):
        self.send(data, fds)
        return self.receive()

    def map(self, number, size):
        fd = memfd(size)
        answer = self.call(frame(MAP, struct.pack("<IIQ", number, 0, size)), [fd])
        self.memory[number] = mmap.mmap(fd, size)
        os.close(fd)
        return answer

    def bind(self, name, binding=0, version=0):
        return self.call(frame(BIND, struct.pack("<IHHq", binding, len(name), 0, version) + name.encode()))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def outputs_of(answer):
    """[(buffer, shape, bytes, data or None)]"""
    count = struct.unpack_from("<H", answer.data, 20)[0]
    at, outputs = 56, []
    for _ in range(count):
        buffer, rank, offset, size = struct.unpack_from("<IIQQ", answer.data, at)
        shape = struct.unpack_from(f"<{rank}q", answer.data, at + 24)
        at += 24 + 8 * rank
        outputs.append((buffer, shape, size, answer.data[offset:offset + size] if buffer == INLINE else None))
    return outputs
