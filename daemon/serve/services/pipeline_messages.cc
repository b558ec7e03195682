// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/services/pipeline_messages.h"

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
  for (const std::string& input : node.inputs) out->add_inputs(input);
  for (size_t i = 0; i < pipeline::kDropReasons; ++i) {
    const char* reason = pipeline::drop_reason_name(static_cast<pipeline::DropReason>(i));
    if (node.drops[i] > 0) (*out->mutable_drops())[reason] = node.drops[i];
  }
}

}  // namespace

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

namespace {

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

}  // namespace

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

}  // namespace inferd::serve
