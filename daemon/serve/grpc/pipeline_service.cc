// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/pipeline_service.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include "daemon/serve/grpc/seat.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {
namespace {

inferd::v1::PipelineState to_proto(pipeline::PipelineState state) {
  switch (state) {
    case pipeline::PipelineState::kStopped:
      return inferd::v1::PIPELINE_STATE_STOPPED;
    case pipeline::PipelineState::kRunning:
      return inferd::v1::PIPELINE_STATE_RUNNING;
    case pipeline::PipelineState::kFinished:
      return inferd::v1::PIPELINE_STATE_FINISHED;
    case pipeline::PipelineState::kFailed:
      return inferd::v1::PIPELINE_STATE_FAILED;
  }
  return inferd::v1::PIPELINE_STATE_UNSPECIFIED;
}

void fill(const pipeline::NodeStatus& node, inferd::v1::GraphNode* out) {
  out->set_name(node.name);
  out->set_state(node.state);
  out->set_reason(node.reason);
  out->set_failures(node.failures);
  out->set_taken(node.taken);
  out->set_given(node.given);
  out->set_queued(node.queued);
  out->set_fps(node.fps);
  for (size_t i = 0; i < pipeline::kDropReasons; ++i) {
    const char* reason = pipeline::drop_reason_name(static_cast<pipeline::DropReason>(i));
    if (node.drops[i] > 0) (*out->mutable_drops())[reason] = node.drops[i];
  }
}

void fill(const pipeline::PipelineStatus& status, inferd::v1::PipelineStatus* out) {
  out->set_name(status.name);
  out->set_state(to_proto(status.state));
  out->set_reason(status.reason);
  out->set_source(status.source);
  out->set_model(status.model);
  out->set_captured(status.captured);
  out->set_processed(status.processed);
  out->set_dropped(status.dropped);
  out->set_failed(status.failed);
  out->set_last_error(status.last_error);
  out->set_subscriber_drops(status.subscriber_drops);
  out->set_captured_fps(status.captured_fps);
  out->set_processed_fps(status.processed_fps);
  out->set_latency_median_ms(status.latency_median_ms);
  out->set_latency_p99_ms(status.latency_p99_ms);
  for (const pipeline::NodeStatistics& node : status.nodes) {
    auto* n = out->add_nodes();
    n->set_name(node.name);
    n->set_frames(node.frames);
    n->set_total_ns(node.total_ns);
    n->set_node(node.node);
    n->set_state(node.state);
    n->set_queued(node.queued);
    n->set_dropped(node.dropped);
    n->set_last_error(node.last_error);
  }
  out->set_restarts(status.restarts);
  for (const pipeline::NodeStatus& node : status.graph) fill(node, out->add_graph());
}

void fill(const std::vector<pipeline::ClassScore>& scores,
          google::protobuf::RepeatedPtrField<inferd::v1::ClassScore>* out) {
  for (const pipeline::ClassScore& score : scores) {
    auto* c = out->Add();
    c->set_class_id(score.class_id);
    c->set_score(score.score);
    c->set_label(score.label);
  }
}

void fill(const pipeline::Detection& detection, inferd::v1::Detection* d) {
  d->mutable_box()->set_x_min(detection.box.x_min);
  d->mutable_box()->set_y_min(detection.box.y_min);
  d->mutable_box()->set_x_max(detection.box.x_max);
  d->mutable_box()->set_y_max(detection.box.y_max);
  d->set_score(detection.score);
  d->set_class_id(detection.class_id);
  d->set_label(detection.label);
  d->set_track_id(detection.track_id);
  for (const pipeline::Keypoint& keypoint : detection.keypoints) {
    auto* k = d->add_keypoints();
    k->set_x(keypoint.x);
    k->set_y(keypoint.y);
    k->set_score(keypoint.score);
  }
  fill(detection.classes, d->mutable_classes());
  d->set_text(detection.text);
}

// What is said of the frame as a whole.
void fill_frame(const pipeline::FrameResult& result, inferd::v1::FrameResult* out) {
  fill(result.classes, out->mutable_classes());
  for (const pipeline::ClassArea& area : result.areas) {
    auto* a = out->add_areas();
    a->set_class_id(area.class_id);
    a->set_fraction(area.fraction);
    a->set_label(area.label);
  }
  if (result.mask.width > 0) {
    auto* mask = out->mutable_mask();
    mask->set_width(result.mask.width);
    mask->set_height(result.mask.height);
    mask->mutable_runs()->Assign(result.mask.runs.begin(), result.mask.runs.end());
  }
  for (const pipeline::Count& count : result.counts) {
    auto* c = out->add_counts();
    c->set_name(count.name);
    c->set_class_id(count.class_id);
    c->set_label(count.label);
    c->set_entered(count.in);
    c->set_left(count.out);
    c->set_inside(count.inside);
  }
  for (const pipeline::Value& value : result.values) {
    auto* v = out->add_values();
    v->set_name(value.name);
    v->set_value(value.value);
  }
  out->set_text(result.text);
}

void fill(const pipeline::FrameResult& result, inferd::v1::FrameResult* out) {
  out->set_pipeline(result.pipeline);
  out->set_node(result.node);
  out->set_source(result.source);
  out->set_sequence(result.sequence);
  out->set_capture_ns(result.capture_ns);
  out->set_result_ns(result.result_ns);
  out->set_width(result.width);
  out->set_height(result.height);
  out->set_frame_name(result.frame_name);
  for (const pipeline::Detection& detection : result.detections)
    fill(detection, out->add_detections());
  fill_frame(result, out);
}

// Until the call's deadline.
int64_t left_ms(const grpc::ServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  if (context.deadline() == std::chrono::system_clock::time_point::max()) return INT64_MAX;
  return std::max<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count(), 0);
}

}  // namespace

grpc::Status PipelineService::ListPipelines(grpc::ServerContext* context,
                                            const inferd::v1::ListPipelinesRequest*,
                                            inferd::v1::ListPipelinesResponse* response) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kObserve, "ListPipelines");
  if (!allowed.ok()) return to_grpc(allowed);
  for (const auto& status : pipelines_.list()) fill(status, response->add_pipelines());
  return grpc::Status::OK;
}

grpc::Status PipelineService::ReloadPipelines(grpc::ServerContext* context,
                                              const inferd::v1::ReloadPipelinesRequest*,
                                              inferd::v1::ListPipelinesResponse* response) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kAdmin, "ReloadPipelines");
  if (!allowed.ok()) return to_grpc(allowed);
  const Status reloaded = pipelines_.reload();
  if (!reloaded.ok()) return to_grpc(reloaded);
  for (const auto& status : pipelines_.list()) fill(status, response->add_pipelines());
  return grpc::Status::OK;
}

// Stages and sinks may open files that the pipeline names: for admins.
grpc::Status PipelineService::CheckPipeline(grpc::ServerContext* context,
                                            const inferd::v1::CheckPipelineRequest* request,
                                            inferd::v1::CheckPipelineResponse* response) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kAdmin, "CheckPipeline");
  if (!allowed.ok()) return to_grpc(allowed);
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const auto file = request->files().find(path);
    if (file != request->files().end()) return file->second;
    response->add_missing_files(path);
    return not_found("cannot open '" + path + "'");
  };
  const auto drawing = pipelines_.check(
      request->path(), {request->parameters().begin(), request->parameters().end()}, read);
  if (response->missing_files_size() > 0) return grpc::Status::OK;
  if (drawing.ok()) {
    response->set_text(drawing->text);
    response->set_dot(drawing->dot);
  }
  std::istringstream errors(drawing.status().message());
  for (std::string line; std::getline(errors, line);) response->add_errors(line);
  return grpc::Status::OK;
}

grpc::Status PipelineService::change(const grpc::ServerContext& context, const char* call,
                                     Change how, const inferd::v1::PipelineRequest& request,
                                     inferd::v1::PipelineStatus* response) {
  const Status allowed = check_role(callers_.roles_of(context), Role::kAdmin, call);
  if (!allowed.ok()) return to_grpc(allowed);
  const Status changed = (pipelines_.*how)(request.pipeline());
  if (!changed.ok()) return to_grpc(changed);
  const auto status = pipelines_.status(request.pipeline());
  if (status.ok()) fill(*status, response);
  return to_grpc(status.status());
}

grpc::Status PipelineService::StartPipeline(grpc::ServerContext* context,
                                            const inferd::v1::PipelineRequest* request,
                                            inferd::v1::PipelineStatus* response) {
  return change(*context, "StartPipeline", &pipeline::Pipelines::start, *request, response);
}

grpc::Status PipelineService::StopPipeline(grpc::ServerContext* context,
                                           const inferd::v1::PipelineRequest* request,
                                           inferd::v1::PipelineStatus* response) {
  return change(*context, "StopPipeline", &pipeline::Pipelines::stop, *request, response);
}

grpc::Status PipelineService::RestartPipeline(grpc::ServerContext* context,
                                              const inferd::v1::PipelineRequest* request,
                                              inferd::v1::PipelineStatus* response) {
  return change(*context, "RestartPipeline", &pipeline::Pipelines::restart, *request, response);
}

grpc::Status PipelineService::Watch(grpc::ServerContext* context,
                                    const inferd::v1::WatchRequest* request,
                                    grpc::ServerWriter<inferd::v1::FrameResult>* writer) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kObserve, "Watch");
  if (!allowed.ok()) return to_grpc(allowed);
  const Seat seat(watchers_, kMaxWatchers);
  if (!seat.ok()) {
    return to_grpc(
        resource_exhausted("there are " + std::to_string(kMaxWatchers) + " watchers already"));
  }
  const size_t capacity = request->buffer() == 0 ? 16 : std::min<size_t>(request->buffer(), 1000);
  auto subscription = pipelines_.subscribe(request->pipeline(), capacity);
  if (!subscription.ok()) return to_grpc(subscription.status());
  // Headers now, so that the client knows that it is subscribed before the first frame.
  writer->SendInitialMetadata();
  inferd::v1::FrameResult message;
  // A client that has gone must not hold its place while no frames come.
  constexpr int64_t kCheckClientMs = 1000;
  while (!context->IsCancelled() && !(*subscription)->ended()) {
    const auto result = (*subscription)->next(kCheckClientMs);
    if (result == nullptr) continue;
    message.Clear();
    fill(*result, &message);
    message.set_dropped((*subscription)->dropped());
    if (!writer->Write(message)) break;
  }
  return grpc::Status::OK;
}

PushStream::Reactor* PipelineService::PushFrames(grpc::CallbackServerContext* context) {
  return PushStream::open(pipelines_, max_pushed_bytes_,
                          check_role(callers_.roles_of(*context), Role::kInfer, "PushFrames"));
}

grpc::Status PipelineService::Snapshot(grpc::ServerContext* context,
                                       const inferd::v1::SnapshotRequest* request,
                                       inferd::v1::SnapshotResponse* response) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kObserve, "Snapshot");
  if (!allowed.ok()) return to_grpc(allowed);
  const Seat seat(watchers_, kMaxWatchers);
  if (!seat.ok()) {
    return to_grpc(
        resource_exhausted("there are " + std::to_string(kMaxWatchers) + " watchers already"));
  }
  constexpr int64_t kUsualMs = 5'000, kLongestMs = 60'000;
  pipeline::SnapshotOptions options;
  options.node = request->node();
  options.plain = request->plain();
  options.quality = request->quality() == 0 ? 90 : request->quality();
  options.timeout_ms = request->timeout_ms() == 0 ? kUsualMs : request->timeout_ms();
  if (options.quality < 1 || options.quality > 100 || options.timeout_ms < 1)
    return to_grpc(
        invalid_argument("a snapshot has a quality from 1 to 100 and a timeout above 0"));
  options.timeout_ms = std::min({options.timeout_ms, kLongestMs, left_ms(*context)});
  auto snapshot = pipelines_.snapshot(request->pipeline(), options);
  if (!snapshot.ok()) return to_grpc(snapshot.status());
  response->set_jpeg(snapshot->jpeg.data(), snapshot->jpeg.size());
  fill(snapshot->result, response->mutable_result());
  return grpc::Status::OK;
}

// Opens devices: for admins.
grpc::Status PipelineService::ListCameras(grpc::ServerContext* context,
                                          const inferd::v1::ListCamerasRequest*,
                                          inferd::v1::ListCamerasResponse* response) {
  const Status allowed = check_role(callers_.roles_of(*context), Role::kAdmin, "ListCameras");
  if (!allowed.ok()) return to_grpc(allowed);
  const auto cameras = pipeline::list_cameras();
  if (!cameras.ok()) return to_grpc(cameras.status());
  for (const pipeline::CameraInfo& camera : *cameras) {
    auto* out = response->add_cameras();
    out->set_source(camera.source);
    out->set_id(camera.id);
    out->set_model(camera.model);
    for (const pipeline::CameraMode& mode : camera.modes) {
      auto* m = out->add_modes();
      m->set_format(mode.format);
      m->set_width(mode.width);
      m->set_height(mode.height);
    }
  }
  return grpc::Status::OK;
}

}  // namespace inferd::serve
