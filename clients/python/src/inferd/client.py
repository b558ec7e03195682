# SPDX-License-Identifier: Apache-2.0
"""The client that programs use; a transport does the work."""
import math
import re
from concurrent.futures import Future
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from inferd import _types as t
from inferd._channel import Path, Security
from inferd._errors import invalid
from inferd._grpc import GrpcTransport
from inferd._local import LocalTransport
from inferd._request import Request
from inferd._stream import Stream

DEFAULT_ENDPOINT = "unix:/run/inferd/inferd.sock"


def _transport(endpoint: str, security: Security):
    if endpoint.startswith("local:") and endpoint != "local:":
        if not security.is_empty:
            raise invalid("the local socket knows neither certificates nor tokens nor names: it asks for the user")
        return LocalTransport(endpoint[len("local:"):])
    if re.fullmatch(r"unix:.+|(grpcs://)?[^/]+:\d+", endpoint):
        return GrpcTransport(endpoint, security)
    raise invalid(f"endpoint '{endpoint}': write unix:PATH, HOST:PORT, grpcs://HOST:PORT or local:PATH")


class Client:
    """A connection to a daemon.

    `endpoint` is "unix:PATH" or "HOST:PORT" for gRPC, "grpcs://HOST:PORT" for gRPC with TLS, or "local:PATH" for the
    local socket, which copies less and can run models, watch pipelines and push frames to them: other calls are refused
    there with UNIMPLEMENTED. Making a client does not connect; calls do, also anew after the daemon was restarted. A call while nobody answers fails at once with UNAVAILABLE.

    Every call has a deadline: `timeout` seconds, where it is not given that of the client. Safe to use from several
    threads. Close it, or use it as a context manager.

    With TLS the daemon's certificate must be for HOST and signed by one of the file `ca` (by default gRPC's own list of
    authorities); `certificate` and `key` are the files of what the client shows. All are in PEM. `token` goes with every
    call, over TLS or on this machine only. `name` is what the client calls itself, for whoever chooses clients for a
    canary.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, timeout: float = 10.0, *, ca: Optional[Path] = None,
                 certificate: Optional[Path] = None, key: Optional[Path] = None, token: Optional[str] = None,
                 name: Optional[str] = None) -> None:
        self._timeout = _checked_timeout(timeout)
        self.endpoint = endpoint
        self._transport = _transport(endpoint, Security(ca, certificate, key, token, name))
        self._input_names: Dict[Tuple[str, str], str] = {}  # of models that were given an array alone

    def infer(self, model: str, inputs: t.Inputs, version: t.Version = "", outputs: t.Outputs = None, *, priority: int = 0,
              timeout: Optional[float] = None, sequence: Optional[t.Sequence] = None) -> Dict[str, np.ndarray]:
        """Runs a model; returns its outputs by name. They are read-only views of what came.

        inputs: arrays by name, or one array for a model with one input. Types must be the model's.
        version: a number, or the same as text; empty for the newest.
        outputs: names of those that are wanted, or {name: n} for the n largest elements as bytes "value:index:label"
            (0: as they are); by default all.
        priority: 1 is the most urgent, 0 the model's default.
        sequence: (id, start, end), for a model with states.
        """
        request = self._request(model, inputs, version, outputs, priority, timeout, sequence)
        return self._transport.infer(request)

    def infer_async(self, model: str, inputs: t.Inputs, version: t.Version = "", outputs: t.Outputs = None, *,
                    priority: int = 0, timeout: Optional[float] = None,
                    sequence: Optional[t.Sequence] = None) -> "Future[Dict[str, np.ndarray]]":
        """As infer(), but returns at once. The arrays must not change before the result is there. Cancelling the
        future takes the request back if the model has not begun."""
        request = self._request(model, inputs, version, outputs, priority, timeout, sequence)
        return self._transport.infer_async(request)

    def classify(self, model: str, inputs: t.Inputs, top: int = 5, output: str = "", version: t.Version = "", *,
                 priority: int = 0, timeout: Optional[float] = None) -> List[List[t.Class]]:
        """The classes with the highest scores, best first, for each element of the batch, labelled by the daemon.

        output: which one has the scores; may be left out when the model has only one. Scores of a quantized output are
        its integers."""
        if top < 1:
            raise invalid(f"top is {top}; ask for one class or more")
        if not output:
            described = self.model(model, version, timeout=timeout).outputs
            if len(described) != 1:
                raise invalid(f"model '{model}' has the outputs {', '.join(o.name for o in described)}; name one")
            output = described[0].name
        found = self.infer(model, inputs, version, {output: top}, priority=priority, timeout=timeout)[output]
        return [[_class_of(text) for text in row] for row in found.reshape(-1, found.shape[-1])]

    def stream(self, max_in_flight: int = 64) -> Stream:
        """Many requests over one call, which costs less for each than a call does. See Stream."""
        if max_in_flight < 1:
            raise invalid(f"max_in_flight is {max_in_flight}; at least one request must fit")
        return Stream(self._transport.open_stream(max_in_flight), self._request)

    def buffers(self, model: str, version: t.Version = "", shapes: Optional[Mapping[str, Tuple[int, ...]]] = None,
                output_bytes: Optional[Mapping[str, int]] = None, *, timeout: Optional[float] = None) -> t.Buffers:
        """Arrays for the inputs of a model, to be filled in place.

        shapes: of inputs, by name; the model's by default, with 1 for every dimension that may have any size.
        output_bytes: room for outputs whose size depends on data, by name."""
        return self._transport.buffers(model, str(version), dict(shapes or {}), dict(output_bytes or {}),
                                       self._seconds(timeout))

    def server(self, *, timeout: Optional[float] = None) -> t.Server:
        return self._transport.server(self._seconds(timeout))

    def health(self, *, timeout: Optional[float] = None) -> bool:
        """Whether the daemon serves; UNAVAILABLE when nobody answers."""
        return self._transport.health(self._seconds(timeout))

    def models(self, *, timeout: Optional[float] = None) -> List[t.ModelState]:
        """All models that the daemon knows, and their states."""
        return self._transport.models(self._seconds(timeout))

    def model(self, name: str, version: t.Version = "", *, timeout: Optional[float] = None) -> t.Model:
        """Inputs and outputs of a model that serves."""
        return self._transport.model(name, str(version), self._seconds(timeout))

    def statistics(self, model: str = "", version: t.Version = "", *,
                   timeout: Optional[float] = None) -> List[t.ModelStatistics]:
        """Of one model, or of all of them."""
        return self._transport.statistics(model, str(version), self._seconds(timeout))

    def load(self, model: str, *, timeout: float = 120.0) -> None:
        """Loads a model from the repository, or its newest version."""
        self._transport.load(model, _checked_timeout(timeout))

    def unload(self, model: str, *, timeout: float = 120.0) -> None:
        self._transport.unload(model, _checked_timeout(timeout))

    def pipelines(self, *, timeout: Optional[float] = None) -> List[t.Pipeline]:
        return self._transport.pipelines(self._seconds(timeout))

    def reload_pipelines(self, *, timeout: Optional[float] = None) -> List[t.Pipeline]:
        """Has the daemon read its configuration again and take the pipelines that it has then. With an error in any of
        them, INVALID_ARGUMENT says all, and nothing is changed."""
        return self._transport.reload_pipelines(self._seconds(timeout))

    def start_pipeline(self, pipeline: str, *, timeout: Optional[float] = None) -> t.Pipeline:
        """Starts one that does not run, and gives how it is then. Its counters begin at 0."""
        return self._transport.change_pipeline(pipeline, "Start", self._seconds(timeout))

    def stop_pipeline(self, pipeline: str, *, timeout: Optional[float] = None) -> t.Pipeline:
        """Ends the source of one that runs and waits until its frames are finished."""
        return self._transport.change_pipeline(pipeline, "Stop", self._seconds(timeout))

    def restart_pipeline(self, pipeline: str, *, timeout: Optional[float] = None) -> t.Pipeline:
        return self._transport.change_pipeline(pipeline, "Restart", self._seconds(timeout))

    def watch(self, pipeline: str, buffer: int = 0, *, timeout: Optional[float] = None) -> Iterator[t.Frame]:
        """What a pipeline finds, frame by frame from now on, until it ends. A reader that is too slow loses the oldest
        of the `buffer` results that are kept for it (0: 16). Endless without a timeout."""
        return self._transport.watch(pipeline, buffer, None if timeout is None else _checked_timeout(timeout))

    def pusher(self, source: str, *, timeout: Optional[float] = None) -> t.Pusher:
        """For frames of this program: a pipeline whose source is `push` with the name `source` takes them."""
        return self._transport.pusher(source, self._seconds(timeout))

    def snapshot(self, pipeline: str, node: str = "", plain: bool = False, *,
                 timeout: Optional[float] = None) -> t.Snapshot:
        """The next frame of a pipeline, or of one of its nodes, as a JPEG with its results drawn on it."""
        return self._transport.snapshot(pipeline, node, plain, self._seconds(timeout))

    def ask(self, pipeline: str, picture: bytes, *, timeout: Optional[float] = None) -> List[t.Frame]:
        """What a pipeline makes of one picture (JPEG, PNG or BMP), whether it runs or not: its stages as they are
        configured, without sources, sinks, rates, and stages that say something only after several frames. A result of
        each node that nobody reads."""
        return self._transport.ask(pipeline, picture, self._seconds(timeout))

    def close(self) -> None:
        """Ends what is still on its way with CANCELLED or UNAVAILABLE. Calls after it are refused."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _seconds(self, timeout: Optional[float]) -> float:
        return self._timeout if timeout is None else _checked_timeout(timeout)

    def _request(self, model: str, inputs: t.Inputs, version: t.Version, outputs: t.Outputs, priority: int,
                 timeout: Optional[float], sequence: Optional[t.Sequence]) -> Request:
        seconds = self._seconds(timeout)
        if not isinstance(inputs, Mapping):
            inputs = {self._only_input(model, version, seconds): np.asarray(inputs)}
        return Request.make(model, inputs, version, outputs, priority, seconds, sequence)

    def _only_input(self, model: str, version: t.Version, timeout: float) -> str:
        """The name of the input that an array alone is for. A model that gets another one later says so itself."""
        key = (model, str(version))
        if key not in self._input_names:
            names = [i.name for i in self.model(model, version, timeout=timeout).inputs]
            if len(names) != 1:
                raise invalid(f"model '{model}' has the inputs {', '.join(names)}; give arrays by name")
            self._input_names[key] = names[0]
        return self._input_names[key]


def _checked_timeout(timeout: float) -> float:
    if not 0 < timeout < math.inf:
        raise invalid(f"a timeout of {timeout} s makes no sense; give seconds above 0")
    return timeout


def _class_of(text: bytes) -> t.Class:
    score, index, *label = text.decode("utf-8", "replace").split(":", 2)
    return t.Class(float(score), int(index), label[0] if label else "")
