# SPDX-License-Identifier: Apache-2.0
"""A client of inferd: numpy arrays in, numpy arrays out.

    import inferd

    with inferd.Client("unix:/run/inferd/inferd.sock") as client:
        outputs = client.infer("detector", {"image": picture})

See `inferd.Client`. Everything that goes wrong is an `inferd.Error` with a `code`.
"""
from inferd._errors import Code, Error
from inferd._stream import Stream
from inferd._types import (Area, Box, Buffers, Class, Count, Detection, Duration, Frame, Mask, Model, ModelState,
                           ModelStatistics, Node, Pipeline, PushAnswer, Pusher, Sequence, Server, Snapshot, Tensor, Value)
from inferd._version import __version__
from inferd.client import Client

__all__ = ["Area", "Box", "Buffers", "Class", "Client", "Code", "Count", "Detection", "Duration", "Error", "Frame",
           "Mask", "Model", "ModelState", "ModelStatistics", "Node", "Pipeline", "PushAnswer", "Pusher", "Sequence", "Server",
           "Snapshot", "Stream", "Tensor", "Value", "__version__"]
