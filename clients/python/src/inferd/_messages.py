# SPDX-License-Identifier: Apache-2.0
"""The messages and services of the repository's proto/, as protoc described them when the package was built.

They live in a pool of their own: other packages (tritonclient, grpcio-health-checking) define messages of the same
names, and the default pool refuses a second definition.
"""
import importlib.resources
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FILES = descriptor_pb2.FileDescriptorSet.FromString((importlib.resources.files("inferd") / "messages.pb").read_bytes())
_POOL = descriptor_pool.DescriptorPool()
for _file in _FILES.file:
    _POOL.AddSerializedFile(_file.SerializeToString())

if hasattr(message_factory, "GetMessageClass"):
    _class_of = message_factory.GetMessageClass
else:
    _class_of = message_factory.MessageFactory(_POOL).GetPrototype


def _package(package: str) -> SimpleNamespace:
    """All messages of a package, by name."""
    return SimpleNamespace(**{m.name: _class_of(_POOL.FindMessageTypeByName(f"{package}.{m.name}"))
                              for f in _FILES.file if f.package == package for m in f.message_type})


inference = _package("inference")
pipelines = _package("inferd.v1")
health = _package("grpc.health.v1")


class Stub:
    """The methods of a service on a channel, by name."""

    def __init__(self, channel: grpc.Channel, service: str) -> None:
        package, _, name = service.rpartition(".")
        described = next(s for f in _FILES.file if f.package == package for s in f.service if s.name == name)
        for method in described.method:
            # As grpc.Channel names them: unary_unary, unary_stream, stream_unary, stream_stream.
            kind = "_".join("stream" if streams else "unary"
                            for streams in (method.client_streaming, method.server_streaming))
            request, response = (_class_of(_POOL.FindMessageTypeByName(t.lstrip(".")))
                                 for t in (method.input_type, method.output_type))
            make = getattr(channel, kind)
            setattr(self, method.name, make(f"/{service}/{method.name}", request_serializer=request.SerializeToString,
                                            response_deserializer=response.FromString))

    def __getattr__(self, name: str) -> Any:  # for type checkers: the methods are set above
        raise AttributeError(name)
