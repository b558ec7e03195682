# SPDX-License-Identifier: Apache-2.0
"""Frames for a pipeline over one PushFrames call."""
import queue
import threading
import time
from typing import Callable, Iterator, List, Optional, Tuple, Union

import grpc
import numpy as np

from inferd import _messages as pb
from inferd import _types as t
from inferd._errors import Code, Error, invalid

_END = object()
_MOST_WAITING = 4  # that gRPC has not taken: push() waits


class GrpcPusher(t.Pusher):
    """gRPC takes frames from a queue, and a thread of its own takes the answers."""

    def __init__(self, method, source: str, error_of: Callable[[grpc.RpcError], Error]) -> None:
        super().__init__()
        self._error_of = error_of
        self._out: "queue.Queue" = queue.Queue(_MOST_WAITING)
        self._out.put(pb.pipelines.PushFramesRequest(source=source))
        self._changed = threading.Condition()
        self._end: Optional[Error] = None  # by _changed, as the answers
        self._last = 0
        self._call = method(self._requests())
        self._reader = threading.Thread(target=self._read, name="inferd-pusher", daemon=True)
        self._reader.start()

    def array(self, shape: Tuple[int, ...], dtype: Union[np.dtype, type] = np.uint8) -> np.ndarray:
        return np.zeros(shape, dtype)

    def push(self, frame: Union[np.ndarray, bytes], pixels: str = "rgb", capture_ns: int = 0) -> int:
        self._last += 1
        request = pb.pipelines.PushFramesRequest(id=self._last, capture_ns=capture_ns)
        if isinstance(frame, (bytes, bytearray)):
            request.encoded = bytes(frame)
        else:
            _fill(request, np.asarray(frame), pixels)
        while True:
            with self._changed:
                if self._end is not None:
                    raise self._end
            try:
                self._out.put(request, timeout=0.1)
                return self._last
            except queue.Full:
                pass  # unless the call has ended

    def answers(self, timeout: float = 0.0) -> List[t.PushAnswer]:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._answers and self._end is None and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            if not self._answers and self._end is not None:
                raise self._end
            return self._take_answers()

    def close(self) -> None:
        self._call.cancel()
        self._reader.join()

    def _requests(self) -> Iterator:
        while True:
            request = self._out.get()
            if request is _END:
                return
            yield request

    def _read(self) -> None:
        end = Error(Code.UNAVAILABLE, "the call has ended")
        try:
            for response in self._call:
                with self._changed:
                    self._answered(response.id, response.fate, response.capture_ns,
                                   response.message if response.code else "")
                    self._changed.notify_all()
        except grpc.RpcError as error:
            end = self._error_of(error)
        with self._changed:
            self._end = end
            self._changed.notify_all()
        # Ends gRPC's thread that waits for frames.
        while True:
            try:
                self._out.put_nowait(_END)
                return
            except queue.Full:
                try:
                    self._out.get_nowait()
                except queue.Empty:
                    pass


def _fill(request, frame: np.ndarray, pixels: str) -> None:
    if frame.dtype == np.float32 and frame.ndim == 2:
        request.samples.columns = frame.shape[1]
        request.samples.data = frame.tobytes()
    elif frame.dtype == np.uint8:
        request.pixels.width, request.pixels.height = t.picture_size(frame.shape, pixels)
        request.pixels.format = pixels
        request.pixels.data = frame.tobytes()
    else:
        raise invalid(f"an array of {frame.dtype}{list(frame.shape)} is neither a picture nor samples")
