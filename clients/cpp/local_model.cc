// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_model.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace inferd {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMostBytes = size_t{1} << (sizeof(size_t) > 4 ? 32 : 30);  // of one request
constexpr size_t kLeastGrown = 4096;  // room for an output that was too large for its own

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

TensorInfo tensor_info(const inferd_tensor& tensor) {
  TensorInfo info;
  info.name = tensor.name;
  info.dtype = static_cast<DType>(tensor.type);  // the same numbers
  for (uint32_t d = 0; d < tensor.rank; ++d) info.shape.push_back(tensor.shape[d]);
  return info;
}

// Room that an output will need, as far as that is known before.
size_t expected_bytes(const TensorInfo& output, int64_t batch) {
  Shape shape = output.shape;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == kDynamicDim) shape[d] = d == 0 ? std::max<int64_t>(batch, 1) : 1;
  }
  const auto bytes = checked_bytes(output.dtype, shape);
  return bytes.ok() ? static_cast<size_t>(*bytes) : kMostBytes;
}

std::string names_of(const std::vector<TensorInfo>& infos) {
  std::string names;
  for (const TensorInfo& info : infos) names += (names.empty() ? "'" : ", '") + info.name + "'";
  return names;
}

// The tensors in the order of the model's inputs.
Result<std::vector<TensorView>> in_order(const BoundModel& model,
                                         const std::vector<NamedTensor>& inputs) {
  for (const NamedTensor& given : inputs) {
    if (std::ranges::find(model.inputs, given.name, &TensorInfo::name) == model.inputs.end()) {
      return invalid_argument("the model has no input '" + given.name + "'; it takes " +
                              names_of(model.inputs));
    }
  }
  std::vector<TensorView> views;
  for (const TensorInfo& expected : model.inputs) {
    const auto given = std::ranges::find(inputs, expected.name, &NamedTensor::name);
    if (given == inputs.end()) return invalid_argument("input '" + expected.name + "' is missing");
    if (given->tensor.dtype != expected.dtype) {
      return invalid_argument("input '" + expected.name + "' is " +
                              std::string(dtype_name(given->tensor.dtype)) + ", the model takes " +
                              std::string(dtype_name(expected.dtype)));
    }
    views.push_back(given->tensor);
  }
  if (inputs.size() == views.size()) return views;
  return invalid_argument("an input stands twice; the model takes " + names_of(model.inputs));
}

Status check_outputs(const BoundModel& model, const std::vector<std::string>& wanted) {
  for (const std::string& name : wanted) {
    if (std::ranges::find(model.outputs, name, &TensorInfo::name) == model.outputs.end()) {
      return invalid_argument("the model has no output '" + name + "'; it gives " +
                              names_of(model.outputs));
    }
  }
  return ok_status();
}

inferd_place place_of(const TensorView& input) {
  inferd_place place{};
  place.bytes = input.data.size();
  place.has_shape = 1;
  place.rank = static_cast<uint32_t>(input.shape.rank());
  std::copy(input.shape.begin(), input.shape.end(), place.shape);
  return place;
}

}  // namespace

Status status_of(const inferd_error& error) {
  return {static_cast<StatusCode>(error.code), error.message};
}

Result<int64_t> parse_version(const std::string& text) {
  int64_t version = 0;
  if (text.empty()) return version;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, version);
  if (error == std::errc() && stopped == end && version >= 1) return version;
  return invalid_argument("model version '" + text + "' is not a positive number");
}

BoundModel::BoundModel(const inferd_model& model) : handle(&model) {
  for (size_t i = 0; i < model.input_count; ++i) inputs.push_back(tensor_info(model.inputs[i]));
  for (size_t i = 0; i < model.output_count; ++i) outputs.push_back(tensor_info(model.outputs[i]));
}

TimeLimit::TimeLimit(int64_t milliseconds)
    : timeout_ms(static_cast<int>(std::clamp<int64_t>(milliseconds, -1, INT32_MAX))),
      deadline_ns(timeout_ms < 0 ? 0 : now_ns() + int64_t{1'000'000} * timeout_ms) {}

bool TimeLimit::is_over() const { return deadline_ns != 0 && now_ns() >= deadline_ns; }

Result<RequestLayout> RequestLayout::plan(std::shared_ptr<const BoundModel> model,
                                          const std::vector<NamedTensor>& inputs,
                                          const std::vector<std::string>& wanted) {
  INFERD_ASSIGN_OR_RETURN(const auto views, in_order(*model, inputs));
  INFERD_RETURN_IF_ERROR(check_outputs(*model, wanted));
  RequestLayout layout;
  for (const TensorView& view : views) layout.places_.push_back(place_of(view));
  const bool batched = !views.empty() && views[0].shape.rank() > 0;
  for (const TensorInfo& output : model->outputs) {
    inferd_place& place = layout.places_.emplace_back();
    const bool is_wanted = wanted.empty() || std::ranges::find(wanted, output.name) != wanted.end();
    if (is_wanted) {
      place.bytes = expected_bytes(output, batched ? views[0].shape[0] : 1);
    } else {
      place.buffer = INFERD_NOWHERE;
    }
  }
  layout.model_ = std::move(model);
  layout.lay_out();
  return layout;
}

void RequestLayout::lay_out() {
  bytes_ = 0;
  for (inferd_place& place : places_) {
    if (place.buffer == INFERD_NOWHERE) continue;
    place.offset = bytes_;
    bytes_ += aligned(place.bytes);
  }
}

bool RequestLayout::grow() {
  size_t room = 0;
  for (size_t i = model_->inputs.size(); i < places_.size(); ++i) room += places_[i].bytes;
  if (room > kMostBytes / 4) return false;
  for (size_t i = model_->inputs.size(); i < places_.size(); ++i) {
    if (places_[i].buffer == INFERD_NOWHERE) continue;
    places_[i].bytes = std::max<size_t>(places_[i].bytes * 4, kLeastGrown);
  }
  lay_out();
  return true;
}

void RequestLayout::put_inputs(const std::vector<NamedTensor>& inputs,
                               const inferd_buffer& buffer) {
  for (inferd_place& place : places_) {
    if (place.buffer != INFERD_NOWHERE) place.buffer = buffer.number;
  }
  auto* const memory = static_cast<std::byte*>(buffer.data);
  for (size_t i = 0; i < model_->inputs.size(); ++i) {
    const auto given = std::ranges::find(inputs, model_->inputs[i].name, &NamedTensor::name);
    std::ranges::copy(given->tensor.data, memory + places_[i].offset);
  }
}

std::vector<NamedTensor> RequestLayout::inputs_in(const inferd_buffer& buffer) const {
  const auto* const memory = static_cast<const std::byte*>(buffer.data);
  std::vector<NamedTensor> inputs;
  for (size_t i = 0; i < model_->inputs.size(); ++i) {
    const inferd_place& place = places_[i];
    const Shape shape(std::span(place.shape, place.rank));
    inputs.push_back({model_->inputs[i].name,
                      {model_->inputs[i].dtype,
                       shape,
                       {memory + place.offset, static_cast<size_t>(place.bytes)}}});
  }
  return inputs;
}

inferd_request RequestLayout::request(const InferOptions& options, const TimeLimit& limit) const {
  inferd_request request{};
  request.model = model_->handle;
  request.inputs = places_.data();
  request.outputs = places_.data() + model_->inputs.size();
  request.priority = static_cast<uint32_t>(std::max(options.priority, 0));
  request.deadline_ns = limit.deadline_ns;
  request.sequence = options.sequence.id;
  request.sequence_start = options.sequence.start ? 1 : 0;
  request.sequence_end = options.sequence.end ? 1 : 0;
  return request;
}

Result<std::vector<NamedResult>> RequestLayout::results(const inferd_answer& answer,
                                                        const inferd_buffer& buffer) const {
  if (answer.output_count != model_->outputs.size())
    return data_loss("the daemon's answer has not as many outputs as the model");
  std::vector<NamedResult> results;
  for (size_t i = 0; i < answer.output_count; ++i) {
    const inferd_place& place = places_[model_->inputs.size() + i];
    if (place.buffer == INFERD_NOWHERE) continue;
    const inferd_result& output = answer.outputs[i];
    NamedResult& result = results.emplace_back();
    result.name = model_->outputs[i].name;
    result.dtype = model_->outputs[i].dtype;
    result.shape = Shape(std::span(output.shape, output.rank));
    const auto bytes = checked_bytes(result.dtype, result.shape);
    if (!bytes.ok() || output.bytes != static_cast<uint64_t>(*bytes) || output.bytes > place.bytes)
      return data_loss("the daemon's answer for output '" + result.name + "' is not understood");
    const auto* const data = static_cast<const std::byte*>(buffer.data) + place.offset;
    result.data.assign(data, data + output.bytes);
  }
  return results;
}

}  // namespace inferd
