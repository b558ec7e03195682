# SPDX-License-Identifier: Apache-2.0
"""A connection to the local socket with the models that are bound and the memory that is mapped."""
import math
import threading
import time
from collections import OrderedDict
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from inferd import _frames as frames
from inferd import _types as t
from inferd._connection import Connection, Pending
from inferd._errors import Code, Error, invalid
from inferd._memory import Lease, Mapped, Memory, Pool, aligned
from inferd._request import Request

_MAX_INLINE = 16384  # bytes of inputs, or of outputs, that travel in the frame: cheaper than mapping memory
_MOST_BYTES = 1 << 30  # of outputs that turned out to be larger than thought
# Seconds that the daemon has at least for what it does at once (all but running models): who gives up earlier does not
# know whether a buffer is mapped or a model bound.
_PATIENCE = 5.0


class Bound:
    """A model, and how large its outputs were lately."""

    def __init__(self, number: int, model: t.Model) -> None:
        self.number = number
        self.model = model
        self.seen = [0] * len(model.outputs)

    def rooms(self, batch: int) -> List[int]:
        """Bytes that each output will need, as far as that is known before."""
        return [max(seen, expected_bytes(output, batch)) for output, seen in zip(self.model.outputs, self.seen)]


def expected_bytes(output: t.Tensor, batch: int) -> int:
    shape = [d if d >= 0 else batch if i == 0 else 1 for i, d in enumerate(output.shape)]
    return math.prod(shape) * output.dtype.itemsize


def version_number(version: str) -> int:
    """0: the newest."""
    if not version:
        return 0
    if not (version.isascii() and version.isdecimal() and 0 < int(version) < 1 << 63):
        raise invalid(f"model version '{version}' is not a positive number")
    return int(version)


def batch_of(shapes: List[tuple]) -> int:
    return max(1, shapes[0][0]) if shapes and shapes[0] else 1


class Session:
    """Safe to use from several threads. Of no use any more when it is not `is_open`."""

    def __init__(self, path: str, deadline: float) -> None:
        self._connection = Connection(path, max(deadline, time.monotonic() + _PATIENCE))
        self.limits = self._connection.limits
        self._pool = Pool(self.limits.max_buffers)
        self._lock = threading.RLock()  # a binding must not be changed while a request for it is sent
        self._bound: "OrderedDict[Tuple[str, str], Bound]" = OrderedDict()  # the least used first
        self._free = list(range(self.limits.max_bindings - 1, -1, -1))

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    def close(self) -> None:
        self._connection.close()

    def models(self, deadline: float) -> List[t.ModelState]:
        found: List[t.ModelState] = []
        while True:
            try:
                answer = self._call(frames.Type.LIST, frames.number_of(len(found)), deadline)
            except Error as error:
                if error.code == Code.OUT_OF_RANGE:
                    return found
                raise
            found.append(answer.listing())

    def describe(self, name: str, version: str, deadline: float) -> t.Model:
        return self.bind(name, version, deadline).model

    def bind(self, name: str, version: str, deadline: float) -> Bound:
        key = (name, version)
        with self._lock:
            if key in self._bound:
                self._bound.move_to_end(key)
                return self._bound[key]
            if not self._free:
                self.forget(*next(iter(self._bound)), deadline)
            number = self._free.pop()
            try:
                body = frames.bind(number, version_number(version), name.encode())
                bound = Bound(number, self._call(frames.Type.BIND, body, deadline).model(name))
            except BaseException:
                self._free.append(number)
                raise
            self._bound[key] = bound
            return bound

    def forget(self, name: str, version: str, deadline: float) -> None:
        """The next bind() asks the daemon again."""
        with self._lock:
            bound = self._bound.pop((name, version), None)
            if bound is None:
                return
            self._call(frames.Type.UNBIND, frames.number_of(bound.number), deadline)
            self._free.append(bound.number)

    def map(self, memory: Memory, deadline: float) -> Mapped:
        return self._pool.map(memory, self._caller(deadline))

    def unmap(self, mapped: Mapped, deadline: float) -> None:
        self._pool.unmap(mapped, self._caller(deadline))

    def infer(self, request: Request, deadline: float) -> Dict[str, np.ndarray]:
        """Copies inputs to the daemon and outputs back."""
        bound = self.bind(request.model, request.version, deadline)
        arrays = in_order(bound.model, request.inputs)
        wanted = wanted_outputs(bound.model, request)
        rooms = bound.rooms(batch_of([a.shape for a in arrays]))
        while True:
            try:
                return self._infer_once(request, arrays, wanted, rooms, deadline)
            except Error as error:
                # Some outputs' sizes are known only when they are there. A sequence has made its step by then.
                if error.code != Code.OUT_OF_RANGE or sum(rooms) > _MOST_BYTES or request.sequence is not None:
                    raise
            rooms = [max(4 * room, 4096) for room in rooms]

    def send(self, request: Request, inputs: List[frames.Place], outputs: List[frames.Place], data: bytes,
             deadline: float, lease: Optional[Lease]) -> Tuple[Bound, Pending]:
        """Sends INFER. The daemon's part of `lease` is dropped when it is done with the memory, or where this
        raises."""
        def answered() -> None:
            self._connection.room.release()
            if lease is not None:
                lease.drop()

        if not self._connection.room.acquire(timeout=max(0.0, deadline - time.monotonic())):
            if lease is not None:
                lease.drop()
            raise Error(Code.DEADLINE_EXCEEDED, f"{self.limits.max_in_flight} requests are on their way already")
        with self._lock:
            try:
                bound = self.bind(request.model, request.version, deadline)
                body = frames.infer(bound.number, inputs, outputs, int(deadline * 1e9), request.priority,
                                    request.sequence)
            except BaseException:
                answered()
                raise
            return bound, self._connection.send(frames.Type.INFER, body + data, deadline, release=answered)

    def wait(self, pending: Pending, deadline: float) -> List[frames.Result]:
        return self._connection.wait(pending, deadline).results()

    def take_late_answers(self) -> None:
        self._connection.take_late_answers()

    def _infer_once(self, request: Request, arrays: List[np.ndarray], wanted: List[bool], rooms: List[int],
                    deadline: float) -> Dict[str, np.ndarray]:
        inline_inputs = sum(aligned(a.nbytes) for a in arrays) <= _MAX_INLINE
        inline_outputs = sum(rooms) <= _MAX_INLINE
        shared = 0 if inline_inputs else sum(aligned(a.nbytes) for a in arrays)
        shared += 0 if inline_outputs else sum(aligned(room) for room in rooms)
        mapped: Optional[Mapped] = None
        lease: Optional[Lease] = None
        if shared:
            mapped = taken = self._pool.take(shared, self._caller(deadline))
            lease = Lease(lambda: self._pool.put(taken))
        try:
            inputs, outputs, data = _places(arrays, wanted, rooms, mapped, inline_inputs, inline_outputs)
            bound, pending = self.send(request, inputs, outputs, data, deadline, lease)
            results = self.wait(pending, deadline)
            return outputs_of(bound, results, None if mapped is None else mapped.memory, copies=True)
        finally:
            if lease is not None:
                lease.drop()

    def _caller(self, deadline: float):
        return lambda kind, body, fds: self._call(kind, body, deadline, fds)

    def _call(self, kind: int, body: bytes, deadline: float, fds: Sequence[int] = ()) -> frames.Answer:
        try:
            return self._connection.call(kind, body, max(deadline, time.monotonic() + _PATIENCE), fds)
        except Error as error:
            if error.code == Code.DEADLINE_EXCEEDED:
                self.close()  # what is mapped and bound is not known any more
            raise


def in_order(model: t.Model, inputs: Dict[str, np.ndarray]) -> List[np.ndarray]:
    """The arrays in the order of the model's inputs; shapes are left to the daemon."""
    unknown = sorted(set(inputs) - {i.name for i in model.inputs})
    if unknown:
        raise invalid(f"the model has no input '{unknown[0]}'; it takes {', '.join(i.name for i in model.inputs)}")
    arrays = []
    for described in model.inputs:
        if described.name not in inputs:
            raise invalid(f"input '{described.name}' is missing")
        array = inputs[described.name]
        if array.dtype != described.dtype:
            raise invalid(f"input '{described.name}' is an array of {array.dtype}, the model takes {described.dtype}")
        arrays.append(array)
    return arrays


def wanted_outputs(model: t.Model, request: Request) -> List[bool]:
    if request.outputs is None:
        return [True] * len(model.outputs)
    names = [o.name for o in model.outputs]
    for name in request.outputs:
        if name not in names:
            raise invalid(f"the model has no output '{name}'; it has {', '.join(names)}")
    return [name in request.outputs for name in names]


def _places(arrays: List[np.ndarray], wanted: List[bool], rooms: List[int], mapped: Optional[Mapped],
            inline_inputs: bool, inline_outputs: bool) -> Tuple[List[frames.Place], List[frames.Place], bytes]:
    """Where everything goes, with the inputs copied there; and the bytes of inline inputs. `mapped` is None where all are
    inline."""
    used = 0
    outputs = []
    for is_wanted, room in zip(wanted, rooms):
        if not is_wanted:
            outputs.append(frames.NOT_WANTED)
        elif inline_outputs or mapped is None:
            outputs.append(frames.INLINE_OUTPUT)
        else:
            outputs.append(frames.Place(mapped.number, used, room))
            used += aligned(room)
    inputs: List[frames.Place] = []
    if mapped is not None and not inline_inputs:
        for array in arrays:
            mapped.memory.array(array.dtype, array.shape, used)[...] = array
            inputs.append(frames.Place(mapped.number, used, array.nbytes, array.shape))
            used += aligned(array.nbytes)
        return inputs, outputs, b""
    # How long the places are does not depend on where they say the bytes are.
    begin = frames.infer_head_bytes([frames.Place(frames.INLINE, 0, 0, a.shape) for a in arrays], outputs)
    data = bytearray()
    for array in arrays:
        data += bytes(-(begin + len(data)) % 8)
        inputs.append(frames.Place(frames.INLINE, begin + len(data), array.nbytes, array.shape))
        data += array.tobytes()
    return inputs, outputs, bytes(data)


def outputs_of(bound: Bound, results: List[frames.Result], memory: Optional[Memory], copies: bool) -> Dict[str, np.ndarray]:
    """Arrays of the wanted outputs; of those in shared memory copies, or views."""
    if len(results) != len(bound.model.outputs):
        raise frames.lost(f"{len(results)} outputs of a model that has {len(bound.model.outputs)}")
    arrays: Dict[str, np.ndarray] = {}
    for i, (output, result) in enumerate(zip(bound.model.outputs, results)):
        place = result.place
        if place.buffer == frames.NOWHERE:
            continue
        shape = place.shape or ()
        if math.prod(shape) * output.dtype.itemsize != place.bytes:
            raise frames.lost(f"output '{output.name}' of shape {list(shape)} has {place.bytes} bytes")
        bound.seen[i] = max(bound.seen[i], place.bytes)
        try:
            if place.buffer == frames.INLINE or memory is None:
                arrays[output.name] = np.ndarray(shape, output.dtype, buffer=result.data)
            else:
                view = memory.array(output.dtype, shape, place.offset)
                arrays[output.name] = view.copy() if copies else view
        except TypeError:
            raise frames.lost(f"output '{output.name}' does not lie in its buffer") from None
    return arrays
