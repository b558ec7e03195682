# SPDX-License-Identifier: Apache-2.0
"""The frames of the local socket, docs/local-socket.md byte by byte. What does not follow it is DATA_LOSS."""
import enum
import struct
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Tuple

from inferd import _types as t
from inferd._datatypes import LOCAL_TYPES
from inferd._errors import Code, Error, code_of, invalid

MAGIC = 0x4C444649
VERSION = 1
MAX_FRAME = 65536
MAX_NAME = 1024
ANSWER = 0x8000  # added to the type of what is answered
VIOLATION = 0xFFFF
INLINE = 0xFFFFFFFF
NOWHERE = 0xFFFFFFFE
BOUND_SHAPE = 0xFF

_HEADER = struct.Struct("<IHHQ")
_HELLO = struct.Struct("<IHHIIIIQ")
_INFER = struct.Struct("<IHHqIHHQ")
_PLACE = struct.Struct("<IB3xQQ")
_ANSWER = struct.Struct("<IHHqqqq")
_PUSH = struct.Struct("<IBBHQQqIIII")
_PUSHED = struct.Struct("<HHIqq")
_RESULT = struct.Struct("<QQqq")
PIXELS = ("rgb", "bgr", "rgbx", "bgrx", "grey", "yuyv", "uyvy", "nv12", "nv21", "i420")  # as they are numbered
_STATES = ("LOADING", "READY", "UNAVAILABLE")


class Type(enum.IntEnum):
    HELLO = 1
    MAP = 2
    UNMAP = 3
    BIND = 4
    UNBIND = 5
    LIST = 6
    INFER = 7
    CANCEL = 8
    PUSH = 9
    WATCH = 10
    UNWATCH = 11
    RESULT = 12  # of the daemon, unasked


class Limits(NamedTuple):
    max_in_flight: int
    max_buffers: int
    max_bindings: int
    max_buffer_bytes: int
    daemon_version: str


class Place(NamedTuple):
    """Where a tensor lies, or where it shall."""

    buffer: int
    offset: int
    bytes: int
    shape: Optional[Tuple[int, ...]] = None  # of inputs and results


NOT_WANTED = Place(NOWHERE, 0, 0)
INLINE_OUTPUT = Place(INLINE, 0, 0)


@dataclass(frozen=True)
class Result:
    """A place and, of an inline output, its bytes."""

    place: Place
    data: bytes


def lost(what: str) -> Error:
    return Error(Code.DATA_LOSS, f"the daemon's answer is not understood: {what}")


def frame(kind: int, number: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, 0, number) + body


def hello() -> bytes:
    return struct.pack("<IHH", MAGIC, VERSION, VERSION)


def map_buffer(number: int, size: int) -> bytes:
    return struct.pack("<IIQ", number, 0, size)


def number_of(number: int) -> bytes:
    """Of UNMAP, UNBIND and LIST."""
    return struct.pack("<II", number, 0)


def bind(number: int, version: int, name: bytes) -> bytes:
    if len(name) > MAX_NAME:
        raise invalid(f"the model's name has {len(name)} bytes, more than {MAX_NAME}")
    return struct.pack("<IHHq", number, len(name), 0, version) + name


def infer_head_bytes(inputs: List[Place], outputs: List[Place]) -> int:
    """Where in the frame the bytes of inline inputs may begin."""
    return _HEADER.size + _INFER.size + sum(_PLACE.size + 8 * len(p.shape or ()) for p in (*inputs, *outputs))


def infer(binding: int, inputs: List[Place], outputs: List[Place], deadline_ns: int, priority: int,
          sequence: Optional[t.Sequence]) -> bytes:
    """Without the bytes of inline inputs, which follow."""
    flags = 0 if sequence is None else int(bool(sequence.start)) | int(bool(sequence.end)) << 1
    number = 0 if sequence is None else sequence.id
    parts = [_INFER.pack(binding, len(inputs), len(outputs), deadline_ns, priority, flags, 0, number)]
    for place in (*inputs, *outputs):
        rank = BOUND_SHAPE if place.shape is None else len(place.shape)
        parts.append(_PLACE.pack(place.buffer, rank, place.offset, place.bytes))
        if place.shape:
            parts.append(struct.pack(f"<{rank}q", *place.shape))
    return b"".join(parts)


def push(source: bytes, place: Place, capture_ns: int, pixels: str, width: int, height: int) -> bytes:
    """`pixels` empty: samples, rows of `width` columns."""
    if len(source) > MAX_NAME:
        raise invalid(f"the source's name has {len(source)} bytes, more than {MAX_NAME}")
    kind, number = (0, PIXELS.index(pixels)) if pixels else (1, 0)
    return _PUSH.pack(place.buffer, kind, number, len(source), place.offset, place.bytes, capture_ns, width, height, 0,
                      0) + source


def watch(pipeline: bytes, capacity: int) -> bytes:
    """Results as JSON."""
    if len(pipeline) > MAX_NAME:
        raise invalid(f"the pipeline's name has {len(pipeline)} bytes, more than {MAX_NAME}")
    return struct.pack("<HBBI", len(pipeline), 0, 0, capacity) + pipeline


class Answer:
    """A frame of the daemon."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise lost(f"{len(data)} bytes are no frame")
        size, self.type, self.status, self.number = _HEADER.unpack_from(data)
        if size != len(data):
            raise lost(f"a frame of {len(data)} bytes says it has {size}")
        self._data = data

    def error(self) -> Optional[Error]:
        if self.status == 0:
            return None
        return Error(code_of(self.status), self._data[_HEADER.size:].decode("utf-8", "replace"))

    def _unpack(self, form, at: int) -> tuple:
        try:
            return struct.unpack_from(form, self._data, at) if isinstance(form, str) else form.unpack_from(self._data, at)
        except struct.error:
            raise lost("it is cut") from None

    def limits(self) -> Limits:
        magic, version, _, _, in_flight, buffers, bindings, total = self._unpack(_HELLO, 16)
        if magic != MAGIC or version != VERSION:
            raise lost(f"version {version} of a protocol with the magic {magic:#x}")
        return Limits(in_flight, buffers, bindings, total, self._data[48:].decode("utf-8", "replace"))

    def model(self, name: str) -> t.Model:
        version, inputs, outputs = self._unpack("<qHH", 16)
        at = 32
        tensors = []
        for _ in range(inputs + outputs):
            kind, rank, name_bytes = self._unpack("<BBH", at)
            shape = self._unpack(f"<{rank}q", at + 8)
            begin = at + 8 + 8 * rank
            if kind >= len(LOCAL_TYPES) or begin + name_bytes > len(self._data):
                raise lost("a tensor of an unknown type, or cut")
            tensors.append(t.Tensor(self._data[begin:begin + name_bytes].decode("utf-8", "replace"), LOCAL_TYPES[kind],
                                    shape))
            at = (begin + name_bytes + 7) // 8 * 8
        return t.Model(name, str(version), "", tuple(tensors[:inputs]), tuple(tensors[inputs:]))

    def listing(self) -> t.ModelState:
        _, state, name_bytes, version = self._unpack("<IHHq", 16)
        text = self._data[32:]
        return t.ModelState(text[:name_bytes].decode("utf-8", "replace"), str(version),
                            _STATES[min(state, len(_STATES) - 1)], text[name_bytes:].decode("utf-8", "replace"))

    def results(self) -> List[Result]:
        _, count, *_ = self._unpack(_ANSWER, 16)
        at = 16 + _ANSWER.size
        results = []
        for _ in range(count):
            buffer, rank, offset, size = self._unpack(_PLACE, at)
            at += _PLACE.size
            shape: Tuple[int, ...] = ()
            if rank != BOUND_SHAPE:
                shape = self._unpack(f"<{rank}q", at)
                at += 8 * rank
            inline = buffer == INLINE
            if inline and offset + size > len(self._data):
                raise lost("an inline output does not lie in its frame")
            data = self._data[offset:offset + size] if inline else b""
            results.append(Result(Place(buffer, offset, size, shape), data))
        return results

    def pushed(self) -> Tuple[int, int]:
        """The fate of a frame, and the time of its capture."""
        fate, _, _, capture_ns, _ = self._unpack(_PUSHED, 16)
        return fate, capture_ns

    def result(self) -> Tuple[int, int, bytes]:
        """Results missed so far, when this one was there, and its JSON."""
        dropped, _, _, result_ns = self._unpack(_RESULT, 16)
        return dropped, result_ns, self._data[16 + _RESULT.size:]
