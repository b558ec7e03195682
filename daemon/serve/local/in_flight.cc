// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/local/in_flight.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace inferd::serve::local {
namespace {

constexpr size_t kAnswerBytes = 56;             // in front of the places
constexpr size_t kAlignment = 64;               // of copies
constexpr size_t kKeptBytes = size_t{1} << 20;  // of copies, from one request to the next

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

Result<const Region*> find(const Regions& regions, uint32_t buffer) {
  if (buffer < regions.size() && regions[buffer] != nullptr) return regions[buffer].get();
  return not_found("there is no buffer " + std::to_string(buffer));
}

// The bound shape, one where any size will do.
Shape usual_shape(Shape shape) {
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == kDynamicDim) shape[d] = 1;
  }
  return shape;
}

std::string input_name(const Model& model, size_t i) {
  return "input '" + model.inputs()[i].name + "'";
}
std::string output_name(const Model& model, size_t i) {
  return "output '" + model.outputs()[i].name + "'";
}

Status count_error(const char* what, size_t given, size_t expected) {
  return invalid_argument("the request has " + std::to_string(given) + " " + what +
                          ", the model has " + std::to_string(expected));
}

}  // namespace

Status InFlight::prepare(const Infer& infer, std::span<const Place> places,
                         std::span<const std::byte> frame, const Regions& regions,
                         std::shared_ptr<const models::ModelVersion> version, uint64_t id,
                         int64_t received_ns) {
  id_ = id;
  received_ns_ = received_ns;
  cancelled_.store(false, std::memory_order_relaxed);
  model_ = std::move(version);
  const Model& model = *model_->model;
  if (infer.inputs != model.inputs().size())
    return count_error("inputs", infer.inputs, model.inputs().size());
  if (infer.outputs != model.outputs().size())
    return count_error("outputs", infer.outputs, model.outputs().size());
  inputs_.resize(infer.inputs);
  copied_.resize(infer.inputs);
  outputs_.resize(infer.outputs);
  for (size_t i = 0; i < infer.inputs; ++i) {
    Status status = resolve_input(i, places[i], frame, regions);
    if (!status.ok()) return status.with_context(input_name(model, i));
  }
  for (size_t i = 0; i < infer.outputs; ++i) {
    Status status = resolve_output(i, places[infer.inputs + i], regions);
    if (!status.ok()) return status.with_context(output_name(model, i));
  }
  // Before anything is copied: sizes are those of the model now.
  INFERD_RETURN_IF_ERROR(check_inputs(model.inputs(), inputs_));
  copy_inputs();
  return ok_status();
}

Status InFlight::resolve_input(size_t index, const Place& place, std::span<const std::byte> frame,
                               const Regions& regions) {
  const ModelInfo& info = model_->model->info();
  const TensorInfo& tensor = info.inputs[index];
  TensorView& view = inputs_[index];
  view.dtype = tensor.dtype;
  view.shape = place.rank == kBoundShape ? usual_shape(tensor.shape) : place.shape;
  // What is kept for others must be the answer to what was asked.
  copied_[index] = place.buffer == kInline || model_->queue->options().response_cache ||
                   index >= info.value_inputs.size() || !info.value_inputs[index];
  if (place.buffer == kInline) {
    view.data = frame.subspan(place.offset, place.bytes);
    return ok_status();
  }
  INFERD_ASSIGN_OR_RETURN(const Region* region, find(regions, place.buffer));
  INFERD_ASSIGN_OR_RETURN(view.data, region->part(place.offset, place.bytes));
  regions_.push_back(regions[place.buffer]);
  return ok_status();
}

Status InFlight::resolve_output(size_t index, const Place& place, const Regions& regions) {
  outputs_[index] = {place, {}};
  if (place.buffer >= kNowhere) return ok_status();
  INFERD_ASSIGN_OR_RETURN(const Region* region, find(regions, place.buffer));
  if (!region->writable()) {
    return invalid_argument("buffer " + std::to_string(place.buffer) +
                            " is sealed against writing");
  }
  INFERD_ASSIGN_OR_RETURN(outputs_[index].at, region->part(place.offset, place.bytes));
  regions_.push_back(regions[place.buffer]);
  return ok_status();
}

void InFlight::copy_inputs() {
  size_t bytes = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (copied_[i]) bytes += aligned(inputs_[i].data.size());
  }
  copies_.resize(bytes);
  std::byte* to = copies_.data();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!copied_[i]) continue;
    const std::span<const std::byte> from = inputs_[i].data;
    std::copy(from.begin(), from.end(), to);
    inputs_[i].data = {to, from.size()};
    if (inputs_[i].dtype == DType::kBool) {
      for (size_t b = 0; b < from.size(); ++b) to[b] = std::byte{to[b] != std::byte{0}};
    }
    to += aligned(from.size());
  }
}

void InFlight::answer(const schedule::Outcome& outcome) {
  Status status = outcome.status;
  if (status.ok()) status = deliver(outcome.outputs);
  if (status.ok()) return write_results(outcome);
  constexpr auto kType = static_cast<uint16_t>(FrameType::kInfer);
  write_error(FrameWriter(frame_), kType | kAnswer, id_, status);
}

// Brings outputs to their places in buffers; sets the places of all of them.
Status InFlight::deliver(std::span<const TensorView> outputs) {
  size_t at = kAnswerBytes;
  for (const TensorView& output : outputs) at += place_bytes(output.shape.rank());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::span<const std::byte> data = outputs[i].data;
    Room& room = outputs_[i];
    room.place.bytes = data.size();
    if (room.place.buffer == kNowhere) continue;
    if (room.place.buffer == kInline) {
      room.place.offset = at;
      at += (data.size() + 7) / 8 * 8;
      continue;
    }
    if (data.size() > room.at.size()) {
      return out_of_range(output_name(*model_->model, i) + " has " + std::to_string(data.size()) +
                          " bytes, the request has room for " + std::to_string(room.at.size()));
    }
    // A model may hand on an input as it is, which may lie here as well.
    std::memmove(room.at.data(), data.data(), data.size());
  }
  if (at <= kMaxFrame) return ok_status();
  return out_of_range("the inline outputs make an answer of " + std::to_string(at) +
                      " bytes, a frame has at most " + std::to_string(kMaxFrame));
}

void InFlight::write_results(const schedule::Outcome& outcome) {
  constexpr auto kType = static_cast<uint16_t>(FrameType::kInfer);
  FrameWriter writer(frame_);
  writer.begin(kType | kAnswer, StatusCode::kOk, id_);
  writer.u32(static_cast<uint32_t>(outcome.timing.batch_size));
  writer.u16(static_cast<uint16_t>(outputs_.size()));
  writer.u16(0);
  writer.i64(outcome.timing.queued);
  writer.i64(outcome.timing.input);
  writer.i64(outcome.timing.compute);
  writer.i64(schedule::now_ns() - received_ns_);
  for (size_t i = 0; i < outputs_.size(); ++i)
    writer.place(outputs_[i].place, outcome.outputs[i].shape);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].place.buffer != kInline) continue;
    writer.bytes(outcome.outputs[i].data);
    writer.pad_to_8();
  }
  writer.finish();
}

void InFlight::release() {
  model_.reset();
  regions_.clear();
  if (copies_.capacity() > kKeptBytes) copies_ = {};
}

}  // namespace inferd::serve::local
