# SPDX-License-Identifier: Apache-2.0
"""ModelStreamInfer as futures."""
import itertools
import queue
import threading
import time
from concurrent.futures import Future, InvalidStateError
from typing import Callable, Dict, Optional

import grpc

from inferd._errors import Code, Error
from inferd._request import Request

_END = None  # in the queue of requests: no more follow


class GrpcStream:
    """A thread reads the answers; gRPC's own thread takes requests out of a queue of at most `max_in_flight`."""

    def __init__(self, method: grpc.StreamStreamMultiCallable, max_in_flight: int, encode: Callable,
                 decode: Callable, error_of: Callable) -> None:
        self._encode, self._decode, self._error_of = encode, decode, error_of
        self._room = threading.BoundedSemaphore(max_in_flight)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: Dict[str, Future] = {}  # by the request's id; by _lock
        self._closed: Optional[Error] = None  # why nothing is taken any more; by _lock
        self._requests: "queue.SimpleQueue" = queue.SimpleQueue()
        try:
            self._call = method(iter(self._requests.get, _END))
        except ValueError as error:
            raise Error(Code.FAILED_PRECONDITION, f"the client is closed ({error})") from None
        self._reader = threading.Thread(target=self._read, name="inferd-stream", daemon=True)
        self._reader.start()

    def infer(self, request: Request) -> Future:
        deadline = time.monotonic() + request.timeout
        if not self._room.acquire(timeout=request.timeout):
            raise Error(Code.DEADLINE_EXCEEDED, f"no earlier request was answered within {request.timeout} s")
        try:
            message = self._encode(request)
            message.id = str(next(self._numbers))
            # The stream as a whole has no deadline; each request has what is left of its own.
            left_us = max(1, int((deadline - time.monotonic()) * 1e6))
            message.parameters["timeout"].int64_param = left_us
            future: Future = Future()
            future.set_running_or_notify_cancel()
            with self._lock:
                if self._closed is not None:
                    raise self._closed
                self._waiting[message.id] = future
                self._requests.put(message)
            return future
        except BaseException:
            self._room.release()
            raise

    def close(self, wait: bool) -> None:
        with self._lock:
            first = self._closed is None
            if first:
                self._closed = Error(Code.FAILED_PRECONDITION, "the stream is closed")
        if first:
            self._requests.put(_END)
        if not wait:
            self._call.cancel()
        self._reader.join()

    def _read(self) -> None:
        reason = Error(Code.UNAVAILABLE, "the daemon ended the stream")
        try:
            for answer in self._call:
                with self._lock:
                    future = self._waiting.pop(answer.infer_response.id, None)
                if future is None:
                    continue
                self._room.release()
                self._settle(future, answer)
        except grpc.RpcError as error:
            reason = self._error_of(error)
        with self._lock:
            self._closed = self._closed or reason
            left = list(self._waiting.values())
            self._waiting.clear()
        self._requests.put(_END)  # gRPC's thread may wait for a request
        for future in left:
            self._room.release()
            future.set_exception(reason)

    def _settle(self, future: Future, answer) -> None:
        try:
            if answer.error_message:
                raise Error(Code.UNKNOWN, answer.error_message)
            future.set_result(self._decode(answer.infer_response))
        except Error as error:
            future.set_exception(error)
        except InvalidStateError:
            pass
