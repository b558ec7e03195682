# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol over gRPC, and the daemon's own service for pipelines."""
import functools
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Callable, Dict, Iterator, List, Optional

import grpc
import numpy as np

from inferd import _messages as pb
from inferd import _types as t
from inferd._channel import Security, open_channel
from inferd._datatypes import array_of, datatype_of
from inferd._errors import Code, Error, code_of
from inferd._grpc_pusher import GrpcPusher
from inferd._grpc_stream import GrpcStream
from inferd._request import Request, checked_sequence


def error_of(error: grpc.RpcError) -> Error:
    code = code_of(error.code().value[0])
    # gRPC itself says nothing of methods that are not there.
    return Error(code, error.details() or ("the daemon does not offer this" if code == Code.UNIMPLEMENTED else ""))


def encode(request: Request):
    """A ModelInferRequest."""
    message = pb.inference.ModelInferRequest(model_name=request.model, model_version=request.version)
    for name, array in request.inputs.items():
        message.inputs.add(name=name, datatype=datatype_of(name, array), shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    for name, classes in (request.outputs or {}).items():
        output = message.outputs.add(name=name)
        if classes:
            output.parameters["classification"].int64_param = classes
    if request.priority:
        message.parameters["priority"].int64_param = request.priority
    if request.sequence is not None:
        identity = message.parameters["sequence_id"]
        if isinstance(request.sequence.id, int):
            identity.uint64_param = request.sequence.id
        else:
            identity.string_param = request.sequence.id
        message.parameters["sequence_start"].bool_param = bool(request.sequence.start)
        message.parameters["sequence_end"].bool_param = bool(request.sequence.end)
    return message


def decode(response) -> Dict[str, np.ndarray]:
    """The outputs of a ModelInferResponse."""
    if len(response.outputs) != len(response.raw_output_contents):
        raise Error(Code.DATA_LOSS, f"{len(response.outputs)} outputs came with {len(response.raw_output_contents)} "
                                    "raw contents")
    return {output.name: array_of(output.datatype, tuple(output.shape), raw, output.name)
            for output, raw in zip(response.outputs, response.raw_output_contents)}


class _InferFuture(Future):
    """The future of a call; cancelling it cancels the call."""

    def __init__(self, call: grpc.Future, error_of_call: Callable[[grpc.RpcError], Error]) -> None:
        super().__init__()
        self._call = call
        self._error_of_call = error_of_call

    def cancel(self) -> bool:
        self._call.cancel()
        return super().cancel()

    def take(self, call: grpc.Future) -> None:
        """The call has ended; here in gRPC's thread."""
        try:
            try:
                self.set_result(decode(call.result()))
            except grpc.FutureCancelledError:
                super().cancel()
                self.set_running_or_notify_cancel()
            except grpc.RpcError as error:
                self.set_exception(self._error_of_call(error))
            except Error as error:
                self.set_exception(error)
        except InvalidStateError:
            pass  # cancelled here while the answer came


class _Reconnecting:
    """Looks for a daemon that was lost. gRPC works on a connection only while somebody waits for an answer; calls that
    fail at once do not, and then it looks every 5 seconds. Hence one call that waits until the daemon is there."""

    _LOOK_FOR_S = 60  # from the last call that failed

    def __init__(self, channel: grpc.Channel) -> None:
        self._health = pb.Stub(channel, "grpc.health.v1.Health")
        self._lock = threading.Lock()
        self._looking = False  # by _lock

    def look(self) -> None:
        with self._lock:
            if self._looking:
                return
            self._looking = True
        try:
            call = self._health.Check.future(pb.health.HealthCheckRequest(), timeout=self._LOOK_FOR_S,
                                             wait_for_ready=True)
        except ValueError:
            return  # the client is closed
        call.add_done_callback(self._over)

    def _over(self, _: grpc.Future) -> None:
        with self._lock:
            self._looking = False


class GrpcTransport:
    def __init__(self, endpoint: str, security: Security) -> None:
        self._channel = open_channel(endpoint, security)
        self._metadata = security.metadata
        self._reconnecting = _Reconnecting(self._channel)
        self._inference = pb.Stub(self._channel, "inference.GRPCInferenceService")
        self._pipelines = pb.Stub(self._channel, "inferd.v1.PipelineService")
        self._health = pb.Stub(self._channel, "grpc.health.v1.Health")

    def infer(self, request: Request) -> Dict[str, np.ndarray]:
        return decode(self._call(self._inference.ModelInfer, encode(request), request.timeout))

    def infer_async(self, request: Request) -> "Future[Dict[str, np.ndarray]]":
        call = self._call(self._inference.ModelInfer.future, encode(request), request.timeout)
        future = _InferFuture(call, self._error_of)
        call.add_done_callback(future.take)
        return future

    def open_stream(self, max_in_flight: int) -> GrpcStream:
        method = functools.partial(self._inference.ModelStreamInfer, metadata=self._metadata)
        return GrpcStream(method, max_in_flight, encode, decode, self._error_of)

    def buffers(self, model: str, version: str, shapes: dict, output_bytes: dict, timeout: float) -> t.Buffers:
        return _GrpcBuffers(self, self.model(model, version, timeout), version, shapes, timeout)

    def server(self, timeout: float) -> t.Server:
        about = self._call(self._inference.ServerMetadata, pb.inference.ServerMetadataRequest(), timeout)
        ready = self._call(self._inference.ServerReady, pb.inference.ServerReadyRequest(), timeout)
        return t.Server(about.name, about.version, ready.ready)

    def health(self, timeout: float) -> bool:
        response = self._call(self._health.Check, pb.health.HealthCheckRequest(), timeout)
        return response.status == pb.health.HealthCheckResponse.SERVING

    def models(self, timeout: float) -> List[t.ModelState]:
        index = self._call(self._inference.RepositoryIndex, pb.inference.RepositoryIndexRequest(), timeout)
        return [t.ModelState(m.name, m.version, m.state, m.reason) for m in index.models]

    def model(self, name: str, version: str, timeout: float) -> t.Model:
        request = pb.inference.ModelMetadataRequest(name=name, version=version)
        response = self._call(self._inference.ModelMetadata, request, timeout)

        def tensors(described) -> tuple:
            return tuple(t.Tensor(x.name, x.datatype, tuple(x.shape)) for x in described)

        versions = response.versions
        return t.Model(response.name, versions[0] if versions else "", response.platform, tensors(response.inputs),
                       tensors(response.outputs))

    def statistics(self, model: str, version: str, timeout: float) -> List[t.ModelStatistics]:
        request = pb.inference.ModelStatisticsRequest(name=model, version=version)
        response = self._call(self._inference.ModelStatistics, request, timeout)
        return [_statistics(m) for m in response.model_stats]

    def load(self, model: str, timeout: float) -> None:
        request = pb.inference.RepositoryModelLoadRequest(model_name=model)
        self._call(self._inference.RepositoryModelLoad, request, timeout)

    def unload(self, model: str, timeout: float) -> None:
        request = pb.inference.RepositoryModelUnloadRequest(model_name=model)
        self._call(self._inference.RepositoryModelUnload, request, timeout)

    def pipelines(self, timeout: float) -> List[t.Pipeline]:
        response = self._call(self._pipelines.ListPipelines, pb.pipelines.ListPipelinesRequest(), timeout)
        return [_pipeline(p) for p in response.pipelines]

    def reload_pipelines(self, timeout: float) -> List[t.Pipeline]:
        response = self._call(self._pipelines.ReloadPipelines, pb.pipelines.ReloadPipelinesRequest(), timeout)
        return [_pipeline(p) for p in response.pipelines]

    def change_pipeline(self, pipeline: str, change: str, timeout: float) -> t.Pipeline:
        """`change`: "Start", "Stop" or "Restart"."""
        call = getattr(self._pipelines, change + "Pipeline")
        return _pipeline(self._call(call, pb.pipelines.PipelineRequest(pipeline=pipeline), timeout))

    def watch(self, pipeline: str, buffer: int, timeout: Optional[float]) -> Iterator[t.Frame]:
        request = pb.pipelines.WatchRequest(pipeline=pipeline, buffer=buffer)
        call = self._call(self._pipelines.Watch, request, timeout)
        call.initial_metadata()  # which comes once the daemon has subscribed, or the call has ended
        return self._results(call)

    def _results(self, call) -> Iterator[t.Frame]:
        try:
            for frame in call:
                yield _frame(frame)
        except grpc.RpcError as error:
            raise self._error_of(error) from None
        finally:
            call.cancel()

    def pusher(self, source: str, timeout: float) -> t.Pusher:
        method = functools.partial(self._pipelines.PushFrames, metadata=self._metadata)
        return GrpcPusher(method, source, self._error_of)

    def snapshot(self, pipeline: str, node: str, plain: bool, timeout: float) -> t.Snapshot:
        request = pb.pipelines.SnapshotRequest(pipeline=pipeline, node=node, plain=plain,
                                               timeout_ms=min(60000, max(1, int(timeout * 1000))))
        # A little longer, so that the daemon says what it waited for.
        response = self._call(self._pipelines.Snapshot, request, timeout + 1)
        return t.Snapshot(response.jpeg, _frame(response.result))

    def ask(self, pipeline: str, picture: bytes, timeout: float) -> List[t.Frame]:
        request = pb.pipelines.AskRequest(pipeline=pipeline, picture=picture,
                                          timeout_ms=min(60000, max(1, int(timeout * 1000))))
        response = self._call(self._pipelines.Ask, request, timeout + 1)
        return [_frame(result) for result in response.results]

    def close(self) -> None:
        self._channel.close()

    def _error_of(self, error: grpc.RpcError) -> Error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            self._reconnecting.look()
        return error_of(error)

    def _call(self, method, request, timeout: Optional[float]):
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error_of(error) from None
        except ValueError as error:  # how gRPC speaks of a channel that was closed
            raise Error(Code.FAILED_PRECONDITION, f"the client is closed ({error})") from None


class _GrpcBuffers(t.Buffers):
    """Ordinary arrays."""

    def __init__(self, transport: GrpcTransport, model: t.Model, version: str, shapes: dict, timeout: float) -> None:
        self._transport = transport
        self._model = model.name
        self._version = version
        self._timeout = timeout
        self.inputs = {i.name: np.zeros(shape, i.dtype) for i, shape in t.input_shapes(model, shapes)}

    def infer(self, *, priority: int = 0, timeout: Optional[float] = None,
              sequence: Optional[t.Sequence] = None) -> Dict[str, np.ndarray]:
        return self._transport.infer(Request(self._model, self._version, self.inputs, None, priority,
                                             self._timeout if timeout is None else timeout,
                                             checked_sequence(sequence)))

    def close(self) -> None:
        """Nothing is shared."""


def _statistics(m) -> t.ModelStatistics:
    def duration(d) -> t.Duration:
        return t.Duration(d.count, d.ns)

    s = m.inference_stats
    return t.ModelStatistics(m.name, m.version, m.last_inference, m.inference_count, m.execution_count,
                             duration(s.success), duration(s.fail), duration(s.queue), duration(s.compute_input),
                             duration(s.compute_infer), duration(s.compute_output),
                             {b.batch_size: duration(b.compute_infer) for b in m.batch_stats})


def _pipeline(p) -> t.Pipeline:
    state = pb.pipelines.PipelineStatus.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number.get(p.state)
    name = state.name[len("PIPELINE_STATE_"):].lower() if state is not None else "unspecified"
    return t.Pipeline(p.name, name, p.reason, p.source, p.model, p.captured, p.processed, p.dropped, p.failed,
                      p.last_error, p.captured_fps, p.processed_fps, p.latency_median_ms, p.latency_p99_ms,
                      tuple(t.Node(n.name, n.frames, n.total_ns, n.node, n.state, n.queued, n.dropped, n.last_error)
                            for n in p.nodes), p.restarts,
                      tuple(t.GraphNode(n.name, n.state, n.reason, n.failures, n.taken, n.given, n.queued,
                                        dict(n.drops), n.fps) for n in p.graph))


def _frame(f) -> t.Frame:
    detections = tuple(t.Detection(t.Box(d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max), d.score, d.class_id,
                                   d.label, tuple((k.x, k.y) for k in d.keypoints), d.track_id,
                                   tuple(k.score for k in d.keypoints),
                                   tuple(t.Class(c.score, c.class_id, c.label) for c in d.classes), d.text)
                       for d in f.detections)
    mask = t.Mask(f.mask.width, f.mask.height, tuple(f.mask.runs)) if f.HasField("mask") else None
    return t.Frame(f.pipeline, f.sequence, f.capture_ns, f.result_ns, f.width, f.height, f.frame_name, detections,
                   f.dropped, tuple(t.Class(c.score, c.class_id, c.label) for c in f.classes),
                   tuple(t.Area(a.fraction, a.class_id, a.label) for a in f.areas), mask,
                   tuple(t.Count(c.name, c.class_id, c.label, c.entered, c.left, c.inside) for c in f.counts),
                   tuple(t.Value(v.name, v.value) for v in f.values), f.text, f.node, f.source)
