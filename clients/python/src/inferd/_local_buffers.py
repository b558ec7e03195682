# SPDX-License-Identifier: Apache-2.0
"""Arrays in memory that the daemon shares: nothing is copied between filling them and reading the results."""
import math
import time
from typing import Dict, List, Optional, Tuple

import numpy as np

from inferd import _frames as frames
from inferd import _types as t
from inferd._connection import Pending
from inferd._errors import Code, Error, invalid
from inferd._memory import Mapped, Memory, aligned
from inferd._request import Request, checked_sequence
from inferd._session import Session, batch_of, expected_bytes, outputs_of


class LocalBuffers(t.Buffers):
    """All inputs and outputs in one memory. The transport gives sessions; after a restart of the daemon the same
    memory is mapped there again."""

    def __init__(self, transport, model: str, version: str, shapes: dict, output_bytes: dict, timeout: float) -> None:
        self._transport = transport
        self._name, self._version, self._timeout = model, version, timeout
        described: t.Model = transport.model(model, version, timeout)
        chosen = t.input_shapes(described, shapes)
        self._outputs = _rooms(described, output_bytes, batch_of([shape for _, shape in chosen]))
        sizes = [math.prod(shape) * i.dtype.itemsize for i, shape in chosen]
        self._memory = Memory(sum(map(aligned, sizes + self._outputs)))
        self.inputs: Dict[str, np.ndarray] = {}
        self._input_places: List[tuple] = []  # offset, bytes, shape
        used = 0
        for (tensor, shape), size in zip(chosen, sizes):
            self.inputs[tensor.name] = self._memory.array(tensor.dtype, shape, used)
            self._input_places.append((used, size, shape))
            used += aligned(size)
        self._output_offset = used
        self._at: Optional[Tuple[Session, Mapped]] = None  # where the memory is mapped
        self._late: Optional[Pending] = None  # a request that was given up
        self._closed = False

    def infer(self, *, priority: int = 0, timeout: Optional[float] = None,
              sequence: Optional[t.Sequence] = None) -> Dict[str, np.ndarray]:
        if self._closed:
            raise Error(Code.FAILED_PRECONDITION, "these buffers are closed")
        seconds = self._timeout if timeout is None else timeout
        request = Request(self._name, self._version, {}, None, priority, seconds, checked_sequence(sequence))
        deadline = time.monotonic() + seconds
        return self._transport.again_if_gone(deadline, lambda s: self._infer(s, request, deadline), self._name,
                                             self._version)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._at is None:
            return
        session, mapped = self._at
        if session.is_open:
            session.unmap(mapped, time.monotonic() + self._timeout)

    def _infer(self, session: Session, request: Request, deadline: float) -> Dict[str, np.ndarray]:
        self._refuse_while_in_use()
        if self._at is None or self._at[0] is not session:
            self._at = session, session.map(self._memory, deadline)
        number = self._at[1].number
        inputs = [frames.Place(number, *place) for place in self._input_places]
        outputs, used = [], self._output_offset
        for room in self._outputs:
            outputs.append(frames.Place(number, used, room))
            used += aligned(room)
        bound, self._late = session.send(request, inputs, outputs, b"", deadline, None)
        results = session.wait(self._late, deadline)
        return outputs_of(bound, results, self._memory, copies=False)

    def _refuse_while_in_use(self) -> None:
        if self._late is None or self._late.done or self._at is None:
            return
        self._at[0].take_late_answers()
        if not self._late.done:
            raise Error(Code.FAILED_PRECONDITION, "a request that was given up is still running on these buffers")


def _rooms(model: t.Model, given: dict, batch: int) -> List[int]:
    names = [o.name for o in model.outputs]
    for name in given:
        if name not in names:
            raise invalid(f"model '{model.name}' has no output '{name}'; it has {', '.join(names)}")
    return [given.get(o.name, expected_bytes(o, batch)) for o in model.outputs]
