# SPDX-License-Identifier: Apache-2.0
"""gRPC as its messages are, without what the Python client does for its users."""
import numpy as np
from inferd import _messages
from inferd._datatypes import NUMPY_TYPES

__all__ = ["NUMPY_TYPES", "infer", "load_stubs"]


class _Services:
    """Looks like a generated module of stubs."""

    @staticmethod
    def GRPCInferenceServiceStub(channel):  # as generated code has it
        return _messages.Stub(channel, "inference.GRPCInferenceService")


def load_stubs():
    """The messages and the services of the Open Inference Protocol."""
    return _messages.inference, _Services


def infer(pb, stub, model, arrays, timeout=10):
    """Runs `model` on {input name: array}; returns {output name: array}."""
    request = pb.ModelInferRequest(model_name=model)
    for name, array in arrays.items():
        datatype = next(k for k, v in NUMPY_TYPES.items() if np.dtype(v) == array.dtype)
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(np.ascontiguousarray(array).tobytes())
    response = stub.ModelInfer(request, timeout=timeout)
    return {o.name: np.frombuffer(raw, NUMPY_TYPES[o.datatype]).reshape(o.shape)
            for o, raw in zip(response.outputs, response.raw_output_contents)}
