#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A first call of an inferd daemon from Python: lists a model's tensors and runs it on zeros.

Needs Debian's python3-grpcio, python3-grpc-tools and python3-numpy; any Open Inference Protocol (KServe v2, Triton)
client works as well.

    clients/python/example.py unix:/run/inferd/inferd.sock MODEL
"""
import pathlib
import sys
import tempfile

import grpc
import numpy as np
from grpc_tools import protoc

NUMPY_TYPES = {"BOOL": "?", "INT8": "i1", "UINT8": "u1", "INT16": "<i2", "UINT16": "<u2", "INT32": "<i4",
               "UINT32": "<u4", "INT64": "<i8", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}


def load_stubs():
    """Compiles the protocol's definition and returns its two Python modules."""
    proto = pathlib.Path(__file__).resolve().parents[2] / "proto"
    out = tempfile.mkdtemp(prefix="inferd-stubs-")
    if protoc.main(["", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}",
                    "inference/grpc_service.proto", "inference/model_config.proto"]) != 0:
        raise RuntimeError("compiling grpc_service.proto failed")
    sys.path.insert(0, out)
    from inference import grpc_service_pb2, grpc_service_pb2_grpc
    return grpc_service_pb2, grpc_service_pb2_grpc


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


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pb, pb_grpc = load_stubs()
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = pb_grpc.GRPCInferenceServiceStub(channel)
        metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name=sys.argv[2]), timeout=10)
        inputs = {}
        for t in metadata.inputs:
            print("input ", t.name, t.datatype, list(t.shape))
            inputs[t.name] = np.zeros([max(d, 1) for d in t.shape], NUMPY_TYPES[t.datatype])
        for name, array in infer(pb, stub, sys.argv[2], inputs).items():
            print("output", name, array.dtype, list(array.shape))


if __name__ == "__main__":
    main()
