# SPDX-License-Identifier: Apache-2.0
"""Many requests over one call."""
from concurrent.futures import Future
from typing import Callable, Dict, Optional, Protocol

import numpy as np

from inferd import _types as t
from inferd._request import Request


class StreamTransport(Protocol):
    """What a transport brings along for a stream."""

    def infer(self, request: Request) -> "Future[Dict[str, np.ndarray]]": ...

    def close(self, wait: bool) -> None: ...


class Stream:
    """Requests whose answers come as they get ready, made by `Client.stream`.

        with client.stream() as stream:
            futures = [stream.infer("detector", picture) for picture in pictures]
            for future in futures:
                print(future.result())

    Leaving the block waits for what is on its way; leaving it with an exception cancels that. When the connection
    breaks, futures that are left fail with UNAVAILABLE; open another stream then. Over gRPC, the protocol tells of a
    single failed request only a text, so its error has the code UNKNOWN. Safe to use from several threads.
    """

    def __init__(self, transport: StreamTransport, make_request: Callable[..., Request]) -> None:
        self._transport = transport
        self._make_request = make_request

    def infer(self, model: str, inputs: t.Inputs, version: t.Version = "", outputs: t.Outputs = None, *, priority: int = 0,
              timeout: Optional[float] = None,
              sequence: Optional[t.Sequence] = None) -> "Future[Dict[str, np.ndarray]]":
        """As Client.infer_async(), but waits while `max_in_flight` requests have no answer yet. Over gRPC a stream as a
        whole has no deadline: a request's `timeout` counts where its model allows to say so, and `future.result(timeout)`
        always."""
        return self._transport.infer(self._make_request(model, inputs, version, outputs, priority, timeout, sequence))

    def close(self) -> None:
        """Waits for what is on its way."""
        self._transport.close(wait=True)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: object, *unused: object) -> None:
        self._transport.close(wait=kind is None)
