# SPDX-License-Identifier: Apache-2.0
"""Models over the local socket: tensors in memory that the daemon shares."""
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, Iterator, List, Optional, Sequence, TypeVar

import numpy as np

from inferd import _types as t
from inferd._connection import NotSent
from inferd._errors import Code, Error, invalid
from inferd._local_buffers import LocalBuffers
from inferd._local_pipelines import LocalPusher, watch
from inferd._request import Request
from inferd._session import Session

T = TypeVar("T")
_THREADS = 16  # of asynchronous requests


def _only_grpc(what: str) -> Error:
    return Error(Code.UNIMPLEMENTED, f"the local socket runs models, takes frames and gives results: for {what}, connect to the daemon's gRPC endpoint, "
                                     "unix:/run/inferd/inferd.sock unless its server.grpc says otherwise")


class LocalTransport:
    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._session: Optional[Session] = None  # by _lock, as all that follows
        self._pool: Optional[ThreadPoolExecutor] = None
        self._closed = False

    def session(self, deadline: float) -> Session:
        """The connection, a new one where the last was lost."""
        with self._lock:
            if self._closed:
                raise Error(Code.FAILED_PRECONDITION, "the client is closed")
            if self._session is None or not self._session.is_open:
                self._session = Session(self._path, deadline)
            return self._session

    def again_if_gone(self, deadline: float, call: Callable[[Session], T], model: str = "",
                      version: str = "") -> T:
        """Calls with a session, and once more where the daemon was restarted since the last call and has not seen the
        request, or where it has unloaded what `model` was bound to; another version may be there."""
        session = self.session(deadline)
        try:
            return call(session)
        except NotSent:
            pass
        except Error as error:
            if error.code != Code.UNAVAILABLE or not model or not session.is_open:
                raise
            session.forget(model, version, deadline)
        return call(self.session(deadline))

    def infer(self, request: Request) -> Dict[str, np.ndarray]:
        _refuse_what_only_grpc_can(request)
        deadline = time.monotonic() + request.timeout
        return self.again_if_gone(deadline, lambda s: s.infer(request, deadline), request.model, request.version)

    def infer_async(self, request: Request) -> "Future[Dict[str, np.ndarray]]":
        with self._lock:
            if self._closed:
                raise Error(Code.FAILED_PRECONDITION, "the client is closed")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, "inferd-local")
            return self._pool.submit(self.infer, request)

    def open_stream(self, max_in_flight: int) -> "_LocalStream":
        return _LocalStream(self, max_in_flight)

    def buffers(self, model: str, version: str, shapes: dict, output_bytes: dict, timeout: float) -> t.Buffers:
        return LocalBuffers(self, model, version, shapes, output_bytes, timeout)

    def server(self, timeout: float) -> t.Server:
        deadline = time.monotonic() + timeout
        ready = all(m.state == "READY" for m in self.models(timeout))
        return t.Server("inferd", self.session(deadline).limits.daemon_version, ready)

    def health(self, timeout: float) -> bool:
        self.models(timeout)
        return True

    def models(self, timeout: float) -> List[t.ModelState]:
        deadline = time.monotonic() + timeout
        return self.again_if_gone(deadline, lambda s: s.models(deadline))

    def model(self, name: str, version: str, timeout: float) -> t.Model:
        deadline = time.monotonic() + timeout

        def ask(session: Session) -> t.Model:
            session.forget(name, version, deadline)  # the newest may be another one now
            return session.describe(name, version, deadline)

        return self.again_if_gone(deadline, ask)

    def statistics(self, model: str, version: str, timeout: float) -> List[t.ModelStatistics]:
        raise _only_grpc("statistics")

    def load(self, model: str, timeout: float) -> None:
        raise _only_grpc("loading models")

    def unload(self, model: str, timeout: float) -> None:
        raise _only_grpc("unloading models")

    def pipelines(self, timeout: float) -> List[t.Pipeline]:
        raise _only_grpc("pipelines")

    def reload_pipelines(self, timeout: float) -> List[t.Pipeline]:
        raise _only_grpc("pipelines")

    def change_pipeline(self, pipeline: str, change: str, timeout: float) -> t.Pipeline:
        raise _only_grpc("pipelines")

    def watch(self, pipeline: str, buffer: int, timeout: Optional[float]) -> Iterator[t.Frame]:
        return watch(self._path, pipeline, buffer, timeout)

    def pusher(self, source: str, timeout: float) -> t.Pusher:
        return LocalPusher(self._path, source, timeout)

    def ask(self, pipeline: str, picture: bytes, timeout: float) -> List[t.Frame]:
        raise _only_grpc("questions about pictures")

    def snapshot(self, pipeline: str, node: str, plain: bool, timeout: float) -> t.Snapshot:
        raise _only_grpc("snapshots")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            session, pool = self._session, self._pool
        if session is not None:
            session.close()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


class _LocalStream:
    """Requests of one stream beside each other; the connection needs no other call for them."""

    def __init__(self, transport: LocalTransport, max_in_flight: int) -> None:
        self._transport = transport
        self._room = threading.BoundedSemaphore(max_in_flight)
        self._lock = threading.Lock()
        self._futures: set = set()  # by _lock, as what follows
        self._closed = False

    def infer(self, request: Request) -> Future:
        if not self._room.acquire(timeout=request.timeout):
            raise Error(Code.DEADLINE_EXCEEDED, f"no earlier request was answered within {request.timeout} s")
        try:
            with self._lock:
                if self._closed:
                    raise Error(Code.FAILED_PRECONDITION, "the stream is closed")
                future = self._transport.infer_async(request)
                self._futures.add(future)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(self._answered)
        return future

    def _answered(self, future: Future) -> None:
        with self._lock:
            self._futures.discard(future)
        self._room.release()

    def close(self, wait: bool) -> None:
        with self._lock:
            self._closed = True
            left: Sequence[Future] = list(self._futures)
        for future in left:
            if not wait:
                future.cancel()
        for future in left:
            if not future.cancelled():
                future.exception()  # waits; whoever holds the future learns it


def _refuse_what_only_grpc_can(request: Request) -> None:
    if any((request.outputs or {}).values()):
        raise _only_grpc("classes with labels")
    if request.sequence is not None and isinstance(request.sequence.id, str):
        raise invalid(f"sequence id '{request.sequence.id}': over the local socket it must be a number")
