# SPDX-License-Identifier: Apache-2.0
"""Pipelines over the local socket: frames to them in shared memory, and their results. Each pusher and each watch has a
connection of its own."""
import json
import math
import time
from typing import Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from inferd import _frames as frames
from inferd import _types as t
from inferd._connection import Connection
from inferd._errors import Code, Error, invalid
from inferd._memory import Mapped, Pool

_PATIENCE = 10.0  # seconds for what the daemon does at once


def watch(path: str, pipeline: str, buffer: int, timeout: Optional[float]) -> Iterator[t.Frame]:
    # Here and not with the first frame, so that none is missed.
    connection = Connection(path, time.monotonic() + _PATIENCE)
    try:
        body = frames.watch(pipeline.encode(), max(0, min(buffer, 1000)))
        connection.call(frames.Type.WATCH, body, time.monotonic() + _PATIENCE)
    except BaseException:
        connection.close()
        raise
    return _results(connection, math.inf if timeout is None else time.monotonic() + timeout)


def _results(connection: Connection, deadline: float) -> Iterator[t.Frame]:
    try:
        while True:
            while not connection.results:
                came = connection.wait_for_frame(min(deadline, time.monotonic() + 3600))
                if not came and time.monotonic() >= deadline:
                    raise Error(Code.DEADLINE_EXCEEDED, "the time to watch the pipeline is over")
            answer = connection.results.popleft()
            error = answer.error()
            if error is None:
                yield _frame(*answer.result())
            elif error.code == Code.UNAVAILABLE:
                return  # the pipeline has ended
    finally:
        connection.close()


class LocalPusher(t.Pusher):
    def __init__(self, path: str, source: str, timeout: float) -> None:
        super().__init__()
        self._source = source.encode()
        self._timeout = timeout
        self._connection = Connection(path, time.monotonic() + max(timeout, _PATIENCE))
        self._pool = Pool(self._connection.limits.max_buffers)
        self._given: Dict[int, Tuple[np.ndarray, Mapped]] = {}  # arrays for frames to come, by address

    def array(self, shape: Tuple[int, ...], dtype: Union[np.dtype, type] = np.uint8) -> np.ndarray:
        self._connection.take_late_answers()  # which may give memory back
        mapped = self._pool.take(max(1, math.prod(shape) * np.dtype(dtype).itemsize), self._call)
        array = mapped.memory.array(np.dtype(dtype), shape, 0)
        self._given[array.ctypes.data] = array, mapped
        return array

    def push(self, frame: Union[np.ndarray, bytes], pixels: str = "rgb", capture_ns: int = 0) -> int:
        if isinstance(frame, (bytes, bytearray)):
            raise invalid("encoded pictures go over gRPC only; give an array")
        frame = np.asarray(frame)
        if frame.dtype == np.float32 and frame.ndim == 2:
            pixels, width, height = "", frame.shape[1], 0
        elif frame.dtype == np.uint8:
            width, height = t.picture_size(frame.shape, pixels)
        else:
            raise invalid(f"an array of {frame.dtype}{list(frame.shape)} is neither a picture nor samples")
        own = self._given.pop(frame.ctypes.data, None)
        if own is not None and (own[0].nbytes < frame.nbytes or not frame.flags.c_contiguous):
            self._pool.put(own[1])
            own = None
        if own is None:
            copy = self.array(frame.shape, frame.dtype)
            copy[...] = frame
            own = self._given.pop(copy.ctypes.data)
        mapped = own[1]
        body = frames.push(self._source, frames.Place(mapped.number, 0, frame.nbytes), capture_ns, pixels, width, height)
        sent: List = []

        def answered() -> None:
            self._pool.put(mapped)
            if sent:
                self._note(sent[0])

        sent.append(self._connection.send(frames.Type.PUSH, body, time.monotonic() + self._timeout, release=answered))
        self._connection.take_late_answers()
        return sent[0].number

    def answers(self, timeout: float = 0.0) -> List[t.PushAnswer]:
        self._connection.take_late_answers()
        if not self._answers:
            self._connection.wait_for_frame(time.monotonic() + timeout)
        return self._take_answers()

    def close(self) -> None:
        self._connection.close()

    def _note(self, pending) -> None:
        if pending.answer is None:
            return  # the daemon has gone
        error = pending.answer.error()
        fate, capture_ns = pending.answer.pushed() if error is None else (0, 0)
        self._answered(pending.number, fate, capture_ns, "" if error is None else error.message)

    def _call(self, kind: int, body: bytes, fds) -> frames.Answer:
        return self._connection.call(kind, body, time.monotonic() + _PATIENCE, fds)


def _frame(dropped: int, result_ns: int, text: bytes) -> t.Frame:
    try:
        f = json.loads(text.decode("utf-8", "replace"))
        return t.Frame(
            f["pipeline"], f["sequence"], f["capture_ns"], result_ns, f["width"], f["height"], f["frame"],
            tuple(_detection(d) for d in f["detections"]), dropped, _classes(f.get("classes", ())),
            tuple(t.Area(_real(a["fraction"]), a["class_id"], a["label"]) for a in f.get("areas", ())),
            _mask(f.get("mask")),
            tuple(t.Count(c["name"], c["class_id"], c["label"], c["in"], c["out"], c["inside"])
                  for c in f.get("counts", ())),
            tuple(t.Value(v["name"], _real(v["value"])) for v in f.get("values", ())), f.get("text", ""),
            f.get("node", ""), f.get("source", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise frames.lost(f"a result: {error!r}") from None


def _detection(d: dict) -> t.Detection:
    keypoints = d.get("keypoints", ())
    return t.Detection(t.Box(*map(_real, d["box"])), _real(d["score"]), d["class_id"], d["label"],
                       tuple((_real(x), _real(y)) for x, y, _ in keypoints), d.get("track_id", 0),
                       tuple(_real(score) for _, _, score in keypoints), _classes(d.get("classes", ())),
                       d.get("text", ""))


def _classes(classes) -> Tuple[t.Class, ...]:
    return tuple(t.Class(_real(c["score"]), c["class_id"], c["label"]) for c in classes)


def _mask(mask: Optional[dict]) -> Optional[t.Mask]:
    return None if mask is None else t.Mask(mask["width"], mask["height"], tuple(mask["runs"]))


def _real(value: Optional[float]) -> float:
    """JSON has no words for NaN and infinity."""
    return math.nan if value is None else value
