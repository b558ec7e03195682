# SPDX-License-Identifier: Apache-2.0
"""Ways to run models over the local socket."""
import inferd
import numpy as np
from way import BUSY, PATIENCE_S, Way

import local_protocol as local



class Package(Way):
    """The package's client: arrays that are copied, and buffers that are shared."""

    _STEPS = 40  # with one set of buffers

    def __init__(self, *args):
        super().__init__(*args)
        self._client = inferd.Client(f"local:{self.target.local}", timeout=PATIENCE_S)
        self._buffers = None
        self._steps = 0

    def step(self):
        if self.chance(2):
            content = self.source.any()
            self._infer(content, lambda: self._client.infer(content.model, content.inputs))
        else:
            self._in_buffers()
        return 1

    def close(self):
        if self._buffers is not None:
            self._buffers.close()
        self._client.close()

    def _in_buffers(self):
        if self._buffers is None:
            self._buffers, self._steps = self._client.buffers("large"), 0
        content = self.source.large()
        if len(content.inputs["INPUT0"]) > 1:  # the buffers have room for one
            content = type(content)(content.model, {"INPUT0": content.inputs["INPUT0"][:1]},
                                    {"OUTPUT0": content.outputs["OUTPUT0"][:1]})
        self._buffers.inputs["INPUT0"][...] = content.inputs["INPUT0"]
        self._infer(content, self._buffers.infer)
        self._steps += 1
        if self._steps == self._STEPS:
            self._buffers.close()
            self._buffers = None

    def _infer(self, content, call):
        ticket = self.tally.send(*BUSY)
        try:
            ticket.answer(content.mistake(call()))
        except inferd.Error as error:
            ticket.refuse(error.code.name, error.message)


class Frames(Way):
    """Frames written by hand: many requests on their way over one connection, some of them cancelled."""

    _BINDINGS = {"echo": 0, "pair": 1, "slow": 2}
    _STEPS = 60  # of one connection

    def __init__(self, *args):
        super().__init__(*args)
        self._client = None
        self._number = self._steps = 0

    def step(self):
        if self._client is None:
            self._connect()
        burst = int(self.random.integers(1, 17))
        waiting = {}
        for _ in range(burst):
            self._number += 1
            cancel = self.chance(8)
            content = self.source.slow() if cancel else self.source.small()
            ticket = self.tally.send(*BUSY, *(["CANCELLED"] if cancel else []))
            self._client.send(self._frame(content, self._number))
            waiting[self._number] = ticket, content
            if cancel:
                self._client.send(local.frame(local.CANCEL, b"", self._number))
        while waiting:
            self._take(self._client.receive(), waiting)
        self._steps += 1
        if self._steps == self._STEPS:
            self.close()
        return burst

    def close(self):
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self):
        self._client, self._steps = local.Client(self.target.local), 0
        for model, binding in self._BINDINGS.items():
            answer = self._client.bind(model, binding)
            if answer.status:
                self.tally.fail("unexpected", f"BIND {model}: {answer.message}")

    @staticmethod
    def _frame(content, number):
        binding = Frames._BINDINGS[content.model]
        outputs = [local.place(local.INLINE, 0, 0)] * len(content.outputs)
        # Each input's place is 24 bytes and 8 for a dimension; all tensors here are multiples of 8 bytes.
        begin = 48 + sum(24 + 8 * a.ndim for a in content.inputs.values()) + 24 * len(outputs)
        inputs, data = [], b""
        for array in content.inputs.values():
            inputs.append(local.place(local.INLINE, begin + len(data), array.nbytes, array.shape))
            data += array.tobytes()
        return local.infer(binding, inputs, outputs, number, data=data)

    def _take(self, answer, waiting):
        if answer.id not in waiting:
            self.tally.fail("mixed up", f"an answer to {answer.id}, which waits for none: {answer.message}")
            return
        ticket, content = waiting.pop(answer.id)
        if answer.status:
            ticket.refuse(inferd.Code(answer.status).name, answer.message)
            return
        outputs = {}
        for (name, expected), (_, shape, _, data) in zip(content.outputs.items(), local.outputs_of(answer)):
            outputs[name] = np.frombuffer(data, expected.dtype).reshape(shape)
        ticket.answer(content.mistake(outputs))
