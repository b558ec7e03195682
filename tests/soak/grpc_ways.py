# SPDX-License-Identifier: Apache-2.0
"""Ways to run models over gRPC."""
import mmap
import os
import pathlib
import queue

import grpc
import inferd
import numpy as np
from way import BUSY, PATIENCE_S, Way

import raw_protocol

_SLOTS, _SLOT_BYTES = 4, 1 << 18


def settle(ticket, content, future):
    """Waits for a future of the package, and ends its request's ticket."""
    try:
        ticket.answer(content.mistake(future.result(PATIENCE_S)))
    except inferd.Error as error:
        ticket.refuse(error.code.name, error.message)


class Unary(Way):
    """The package's client: one request, or some at once."""

    def __init__(self, *args):
        super().__init__(*args)
        self._client = inferd.Client(self.target.grpc, timeout=PATIENCE_S)

    def step(self):
        burst = 1 if self.chance(2) else int(self.random.integers(2, 9))
        sent = []
        for _ in range(burst):
            content = self.source.any()
            priority = int(self.random.integers(0, 4)) if content.model == "pair" else 0
            sent.append((self.tally.send(*BUSY), content,
                         self._client.infer_async(content.model, content.inputs, priority=priority)))
        for entry in sent:
            settle(*entry)
        return burst

    def close(self):
        self._client.close()


def region_prefix(target, pid):
    """What the names of the regions of a process begin with; other runs on this machine have others."""
    return f"{pathlib.Path(target.http).parent.name}-{pid}-"


class RawGrpc(Way):
    """Messages as they are."""

    def __init__(self, *args):
        super().__init__(*args)
        self.pb, services = raw_protocol.load_stubs()
        self._channel = grpc.insecure_channel(self.target.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
        self.stub = services.GRPCInferenceServiceStub(self._channel)

    def close(self):
        self._channel.close()

    def message(self, content, identity=""):
        request = self.pb.ModelInferRequest(model_name=content.model, id=identity)
        for name, array in content.inputs.items():
            request.inputs.add(name=name, datatype=datatype(array), shape=array.shape)
            request.raw_input_contents.append(array.tobytes())
        return request

    def outputs(self, response):
        return {o.name: np.frombuffer(raw, raw_protocol.NUMPY_TYPES[o.datatype]).reshape(o.shape)
                for o, raw in zip(response.outputs, response.raw_output_contents)}


def datatype(array):
    return next(k for k, v in raw_protocol.NUMPY_TYPES.items() if np.dtype(v) == array.dtype)


class Stream(RawGrpc):
    """ModelStreamInfer, with every answer's id looked at; streams are ended by both sides, or cancelled midway."""

    _STEPS = 20  # of one stream

    def __init__(self, *args):
        super().__init__(*args)
        self._requests = self._call = None
        self._number = self._steps = 0

    def step(self):
        if self._call is None:
            self._requests, self._steps = queue.SimpleQueue(), 0
            self._call = self.stub.ModelStreamInfer(iter(self._requests.get, None))
        burst = int(self.random.integers(1, 13))
        waiting = {}
        leaves = self.chance(40)
        for _ in range(burst):
            self._number += 1
            content = self.source.any()
            if leaves:
                self.tally.abandon()
            else:
                waiting[str(self._number)] = self.tally.send("error"), content
            self._requests.put(self.message(content, str(self._number)))
        if leaves:
            self._call.cancel()
            self._requests.put(None)
            self._call = None
            return burst
        while waiting:
            self._take(next(self._call), waiting)
        self._steps += 1
        if self._steps == self._STEPS:
            self._end()
        return burst

    def _take(self, answer, waiting):
        identity = answer.infer_response.id
        if identity not in waiting:
            self.tally.fail("mixed up", f"an answer to '{identity}', which waits for none: {answer.error_message}")
            return
        ticket, content = waiting.pop(identity)
        if not answer.error_message:
            ticket.answer(content.mistake(self.outputs(answer.infer_response)))
        else:  # a stream's errors have no code
            ticket.refuse("error" if "is full" in answer.error_message else "UNKNOWN", answer.error_message)

    def _end(self):
        self._requests.put(None)
        for answer in self._call:
            self.tally.fail("mixed up", f"an answer nobody waits for: '{answer.infer_response.id}'")
        self._call = None

    def close(self):
        if self._call is not None:
            self._end()
        super().close()


class SharedMemory(RawGrpc):
    """Triton's system shared memory: requests side by side, each with a slot of its own in one region."""

    _STEPS = 50  # with one region

    def __init__(self, *args):
        super().__init__(*args)
        self._name = f"{region_prefix(self.target, os.getpid())}{id(self):x}"
        self._file = self._map = None
        self._steps = 0

    def step(self):
        if self._map is None:
            self._register()
        count = int(self.random.integers(1, _SLOTS + 1))
        sent = []
        for slot in range(count):
            content = self.source.any()
            request, places = self._place(content, slot)
            sent.append((self.tally.send(*BUSY), content, places,
                         self.stub.ModelInfer.future(request, timeout=PATIENCE_S)))
        for entry in sent:
            self._settle(*entry)
        self._steps += 1
        if self._steps == self._STEPS:
            self._unregister()
        return count

    def _register(self):
        self._file = os.open(f"/dev/shm/{self._name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(self._file, _SLOTS * _SLOT_BYTES)
        self._map = mmap.mmap(self._file, _SLOTS * _SLOT_BYTES)
        self._steps = 0
        self.stub.SystemSharedMemoryRegister(self.pb.SystemSharedMemoryRegisterRequest(
            name=self._name, key=f"/{self._name}", byte_size=_SLOTS * _SLOT_BYTES), timeout=PATIENCE_S)

    def _unregister(self):
        self.stub.SystemSharedMemoryUnregister(self.pb.SystemSharedMemoryUnregisterRequest(name=self._name),
                                               timeout=PATIENCE_S)
        self._map.close()
        os.close(self._file)
        os.unlink(f"/dev/shm/{self._name}")
        self._map = None

    def _place(self, content, slot):
        """The request, with its inputs written; and where its outputs will be, {name: offset}."""
        at = slot * _SLOT_BYTES
        request = self.pb.ModelInferRequest(model_name=content.model)
        for name, array in content.inputs.items():
            tensor = request.inputs.add(name=name, datatype=datatype(array), shape=array.shape)
            self._map[at:at + array.nbytes] = array.tobytes()
            at = self._refer(tensor, at, array.nbytes)
        places = {}
        for name, array in content.outputs.items():
            places[name] = at
            self._map[at:at + array.nbytes] = b"\xa5" * array.nbytes
            at = self._refer(request.outputs.add(name=name), at, array.nbytes)
        return request, places

    def _refer(self, tensor, offset, size):
        """Where the next one begins."""
        tensor.parameters["shared_memory_region"].string_param = self._name
        tensor.parameters["shared_memory_offset"].int64_param = offset
        tensor.parameters["shared_memory_byte_size"].int64_param = size
        return offset + (size + 63) // 64 * 64

    def _settle(self, ticket, content, places, call):
        try:
            response = call.result()
        except grpc.RpcError as error:
            ticket.refuse(error.code().name, error.details())
            return
        outputs = {}
        for output in response.outputs:
            dtype = np.dtype(raw_protocol.NUMPY_TYPES[output.datatype])
            count, at = int(np.prod(output.shape)), places[output.name]
            raw = self._map[at:at + count * dtype.itemsize]
            outputs[output.name] = np.frombuffer(raw, dtype).reshape(output.shape)
        ticket.answer(content.mistake(outputs))

    def close(self):
        if self._map is not None:
            self._unregister()
        super().close()
