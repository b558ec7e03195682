# SPDX-License-Identifier: Apache-2.0
"""What the client's calls take and return."""
import abc
from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np

from inferd._datatypes import dtype_of
from inferd._errors import invalid


class Sequence(NamedTuple):
    """To which sequence of a model with states a request belongs; a plain tuple does as well."""

    id: Union[int, str]
    start: bool = False
    end: bool = False


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model."""

    name: str
    datatype: str  # "FP32", "UINT8", ... as in the Open Inference Protocol
    shape: Tuple[int, ...]  # -1: any size

    @property
    def dtype(self) -> np.dtype:
        return dtype_of(self.datatype)


@dataclass(frozen=True)
class Model:
    name: str
    version: str
    platform: str  # empty over the local socket
    inputs: Tuple[Tensor, ...]
    outputs: Tuple[Tensor, ...]


@dataclass(frozen=True)
class ModelState:
    """A line of the repository's index."""

    name: str
    version: str
    state: str  # "READY", "LOADING" or "UNAVAILABLE"
    reason: str  # why it is unavailable, or how it serves where there is something to say


@dataclass(frozen=True)
class Server:
    name: str
    version: str
    ready: bool


@dataclass(frozen=True)
class Duration:
    """How often something was done, and how long it took in all."""

    count: int
    ns: int

    @property
    def mean_ms(self) -> float:
        return self.ns * 1e-6 / self.count if self.count else 0.0


@dataclass(frozen=True)
class ModelStatistics:
    name: str
    version: str
    last_inference_ms: int  # since the epoch
    inferences: int  # batch elements
    executions: int  # batches
    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    batches: Dict[int, Duration]  # by size: compute_infer


@dataclass(frozen=True)
class Class:
    """One of the classes that a classifier found."""

    score: float
    index: int
    label: str  # empty when the model has no labels


class Box(NamedTuple):
    """Relative to the frame, 0 to 1, y down."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True)
class Detection:
    box: Box
    score: float
    class_id: int
    label: str
    keypoints: Tuple[Tuple[float, float], ...]
    track_id: int = 0  # the same from frame to frame; 0: not tracked
    keypoint_scores: Tuple[float, ...] = ()
    # What a second model says of what is in the box; nothing where none was asked.
    classes: Tuple[Class, ...] = ()  # best first
    text: str = ""


@dataclass(frozen=True)
class Area:
    """How much of a frame a class covers."""

    fraction: float
    class_id: int
    label: str


@dataclass(frozen=True)
class Mask:
    """The class of each place of a frame, on a grid of cells of one size."""

    width: int
    height: int
    runs: Tuple[int, ...]  # class, length, class, length, ...; row by row, over rows' ends

    def to_array(self) -> np.ndarray:
        """The classes, height x width."""
        classes, lengths = np.array(self.runs, np.uint32).reshape(-1, 2).T
        return np.repeat(classes, lengths).reshape(self.height, self.width)


@dataclass(frozen=True)
class Count:
    """What went over a line, or in and out of a zone, since the pipeline started."""

    name: str
    class_id: int
    label: str
    entered: int
    left: int
    inside: int  # of this frame's detections


@dataclass(frozen=True)
class Value:
    """A number that a stage gives: an anomaly score, a level, the value of an expression."""

    name: str
    value: float


@dataclass(frozen=True)
class Frame:
    """What a pipeline found in one frame."""

    pipeline: str
    sequence: int
    capture_ns: int  # CLOCK_MONOTONIC of the daemon's machine
    result_ns: int
    width: int
    height: int
    name: str
    detections: Tuple[Detection, ...]
    dropped: int  # results that this subscriber has missed so far
    classes: Tuple[Class, ...] = ()  # what the whole frame shows, best first
    areas: Tuple[Area, ...] = ()  # largest first
    mask: Optional[Mask] = None
    counts: Tuple[Count, ...] = ()
    values: Tuple[Value, ...] = ()
    text: str = ""  # that was read or heard
    node: str = ""  # of the pipeline, that says it
    source: str = ""  # node of the pipeline that the frame came from


@dataclass(frozen=True)
class Node:
    """A stage or sink of a pipeline."""

    name: str
    frames: int
    total_ns: int
    node: str = ""  # of the pipeline, that it belongs to
    state: str = ""  # of a sink that has another side, and how it gets on with it
    queued: int = 0  # results that wait in a sink
    dropped: int = 0  # that will never get there
    last_error: str = ""


@dataclass(frozen=True)
class GraphNode:
    """A node of a pipeline, once for each way that frames come to it."""
    name: str
    state: str  # of sources
    reason: str  # of a source's last failure
    failures: int
    taken: int
    given: int
    queued: int
    drops: Dict[str, int]  # by reason
    fps: float


@dataclass(frozen=True)
class Pipeline:
    name: str
    state: str  # "stopped", "running", "finished" or "failed"
    reason: str
    source: str
    model: str
    captured: int
    processed: int
    dropped: int
    failed: int
    last_error: str
    captured_fps: float
    processed_fps: float
    latency_median_ms: float
    latency_p99_ms: float
    nodes: Tuple[Node, ...]
    restarts: int = 0  # because a node was stuck
    graph: Tuple[GraphNode, ...] = ()


@dataclass(frozen=True)
class PushAnswer:
    """What became of a frame, once the daemon needs it no more."""

    id: int  # that Pusher.push() gave
    fate: str  # "used"; else "overwritten", "skipped", "stale", "stopped", "failed", or "refused"
    capture_ns: int  # that its results have
    error: str = ""  # why it was refused


FATES = ("overwritten", "skipped", "stale", "stopped", "failed", "used")  # as they are numbered


class Pusher(abc.ABC):
    """Frames of this program for a pipeline whose source is `push`, made by `Client.pusher`. Belongs to one thread at a
    time. `counts` has how many were answered, by fate."""

    def __init__(self) -> None:
        self.counts: Dict[str, int] = {}
        self._answers: Deque[PushAnswer] = deque(maxlen=1024)

    @abc.abstractmethod
    def array(self, shape: Tuple[int, ...], dtype: Union[np.dtype, type] = np.uint8) -> np.ndarray:
        """An array for the next frame, to be filled and given to push() once. Over the local socket it lies where the
        daemon reads it, and nothing is copied."""

    @abc.abstractmethod
    def push(self, frame: Union[np.ndarray, bytes], pixels: str = "rgb", capture_ns: int = 0) -> int:
        """Sends a frame and returns its number. Does not wait for the pipeline.

        frame: a picture as an array of uint8 (height x width x 3, of yuyv x 2, of grey x 1 or none; of nv12, nv21 and
            i420 height * 3 / 2 x width), samples as one of float32 (rows x columns), or over gRPC the bytes of a JPEG
            or PNG.
        capture_ns: time.monotonic_ns() of the capture, as results will have it; 0: when it arrives.
        """

    @abc.abstractmethod
    def answers(self, timeout: float = 0.0) -> List[PushAnswer]:
        """Those that came since they were last asked for, the newest 1024; waits so long for the first."""

    @abc.abstractmethod
    def close(self) -> None:
        """Frames on their way go on."""

    def __enter__(self) -> "Pusher":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _answered(self, number: int, fate: int, capture_ns: int, error: str = "") -> None:
        name = "refused" if error else FATES[min(fate, len(FATES) - 1)]
        self.counts[name] = self.counts.get(name, 0) + 1
        self._answers.append(PushAnswer(number, name, capture_ns, error))

    def _take_answers(self) -> List[PushAnswer]:
        taken = list(self._answers)
        self._answers.clear()
        return taken


@dataclass(frozen=True)
class Snapshot:
    jpeg: bytes
    frame: Frame  # and what was found in it


def picture_size(shape: Tuple[int, ...], pixels: str) -> Tuple[int, int]:
    """Width and height of a picture that lies in an array of this shape."""
    depth = {"rgb": 3, "bgr": 3, "rgbx": 4, "bgrx": 4, "yuyv": 2, "uyvy": 2, "grey": 1}.get(pixels)
    if depth is not None and (shape[2:] == (depth,) or (depth == 1 and len(shape) == 2)):
        return shape[1], shape[0]
    if pixels in ("nv12", "nv21", "i420") and len(shape) == 2 and shape[0] % 3 == 0:
        return shape[1], shape[0] // 3 * 2
    raise invalid(f"an array of shape {list(shape)} is no picture in '{pixels}'")


class Buffers(abc.ABC):
    """A model with arrays for its inputs that are filled in place, made by `Client.buffers`.

    Over the local socket the arrays lie in memory that the daemon shares, and nothing is copied: neither inputs nor
    results. Over gRPC they are ordinary arrays, and the same program works. Belongs to one thread at a time.
    """

    inputs: Dict[str, np.ndarray]  # by name; write into them, do not replace them

    @abc.abstractmethod
    def infer(self, *, priority: int = 0, timeout: Optional[float] = None,
              sequence: Optional[Sequence] = None) -> Dict[str, np.ndarray]:
        """Runs the model on what `inputs` hold now. Over the local socket, results are valid until the next call.

        After DEADLINE_EXCEEDED the daemon may still be reading and writing the memory, so these buffers refuse to be
        used until the late answer has come.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Gives the memory back; arrays that were handed out stay readable here."""

    def __enter__(self) -> "Buffers":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def input_shapes(model: Model, shapes: Mapping[str, Tuple[int, ...]]) -> List[Tuple[Tensor, Tuple[int, ...]]]:
    """Each input and the shape that its buffer gets."""
    unknown = set(shapes) - {i.name for i in model.inputs}
    if unknown:
        raise invalid(f"model '{model.name}' has no input '{unknown.pop()}'; it takes "
                      + ", ".join(i.name for i in model.inputs))
    return [(i, tuple(shapes.get(i.name, [1 if d < 0 else d for d in i.shape]))) for i in model.inputs]


Arrays = Mapping[str, np.ndarray]
Inputs = Union[Arrays, np.ndarray, List]
Version = Union[str, int]  # "": the newest
Outputs = Union[None, List[str], Tuple[str, ...], Mapping[str, int]]
