// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/call.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace inferd::serve {
namespace {

using models::ModelVersion;

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

Status malformed(std::string_view name, const std::string& expected) {
  return invalid_argument("parameter " + quoted(name) + " must be " + expected);
}

// A whole number from 0 to INT64_MAX.
Result<int64_t> whole_number(std::string_view name, const Parameter& value) {
  if (const auto* number = std::get_if<int64_t>(&value); number != nullptr && *number >= 0) {
    return *number;
  }
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (const auto* number = std::get_if<uint64_t>(&value); number != nullptr && *number <= kMax) {
    return static_cast<int64_t>(*number);
  }
  return malformed(name, "a whole number from 0 to " + std::to_string(kMax));
}

Status set_flag(std::string_view name, const Parameter& value, bool& flag) {
  if (!std::holds_alternative<bool>(value)) return malformed(name, "true or false");
  flag = std::get<bool>(value);
  return ok_status();
}

Status set_priority(std::string_view name, const Parameter& value, RequestOptions& options) {
  INFERD_ASSIGN_OR_RETURN(const int64_t priority, whole_number(name, value));
  constexpr int64_t kLeastUrgent = std::numeric_limits<int>::max();
  options.priority = static_cast<int>(std::min(priority, kLeastUrgent));
  return ok_status();
}

Status set_sequence_id(std::string_view name, const Parameter& value, RequestOptions& options) {
  constexpr size_t kMaxId = 128;
  std::string& id = options.sequence.id;
  if (const auto* number = std::get_if<uint64_t>(&value); number != nullptr) {
    id = *number == 0 ? "" : std::to_string(*number);
  } else if (const auto* text = std::get_if<std::string>(&value); text != nullptr) {
    if (text->size() > kMaxId) return malformed(name, "at most 128 bytes long");
    id = *text;
  } else {
    const Result<int64_t> signed_number = whole_number(name, value);
    if (!signed_number.ok()) return malformed(name, "a whole number that is not negative, or text");
    id = *signed_number == 0 ? "" : std::to_string(*signed_number);
  }
  if (id.starts_with(schedule::Sequence::kOfPipelines))
    return malformed(name, "another: those that begin with 'pipeline/' are pipelines' own");
  return ok_status();
}

// Position of `name`, or infos.size().
size_t index_of(std::span<const TensorInfo> infos, std::string_view name) {
  const auto at = std::find_if(infos.begin(), infos.end(),
                               [&](const TensorInfo& info) { return info.name == name; });
  return static_cast<size_t>(at - infos.begin());
}

std::string names_of(std::span<const TensorInfo> infos) {
  std::string names;
  for (const TensorInfo& info : infos) names += (names.empty() ? "" : ", ") + quoted(info.name);
  return names;
}

Result<Shape> shape_of(std::span<const int64_t> dims, const TensorInfo& info) {
  const std::string title = "input " + quoted(info.name);
  const std::string expected = ", the model takes " + info.shape.to_string();
  if (dims.size() > kMaxRank) {
    return invalid_argument(title + " has " + std::to_string(dims.size()) + " dimensions" +
                            expected);
  }
  for (const int64_t dim : dims) {
    if (dim >= 0) continue;
    return invalid_argument(title + " has a negative dimension, " + std::to_string(dim) + expected);
  }
  return Shape(dims);
}

Status check_bools(const TensorInfo& info, std::span<const std::byte> bytes) {
  const auto wrong =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  if (wrong == bytes.end()) return ok_status();
  return invalid_argument("input " + quoted(info.name) + " element " +
                          std::to_string(wrong - bytes.begin()) + " is " +
                          std::to_string(std::to_integer<int>(*wrong)) + ", a BOOL is 0 or 1");
}

// The shortest text that reads as the same number again.
std::string number_text(double value, DType dtype) {
  char text[32];
  std::to_chars_result end{};
  if (dtype == DType::kFloat64) {
    end = std::to_chars(text, std::end(text), value);
  } else if (dtype == DType::kFloat32 || dtype == DType::kFloat16) {
    end = std::to_chars(text, std::end(text), static_cast<float>(value));
  } else {
    end = std::to_chars(text, std::end(text), value, std::chars_format::fixed, 0);
  }
  return {text, end.ptr};
}

// Indices of the `count` largest, the largest first; equal ones in their order, and what is no
// number last.
std::vector<size_t> largest(std::span<const double> values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto before = [&](size_t a, size_t b) {
    const bool a_nan = std::isnan(values[a]), b_nan = std::isnan(values[b]);
    if (a_nan != b_nan) return b_nan;
    if (!a_nan && values[a] != values[b]) return values[a] > values[b];
    return a < b;
  };
  const auto end = order.begin() + static_cast<ptrdiff_t>(count);
  std::partial_sort(order.begin(), end, order.end(), before);
  order.erase(end, order.end());
  return order;
}

}  // namespace

Result<std::shared_ptr<const ModelVersion>> find_model(const models::Repository& repository,
                                                       const std::string& name,
                                                       const std::string& version,
                                                       const models::Asking& asking) {
  if (version.empty()) return repository.find(name, 0, asking);
  int64_t number = 0;
  const char* const end = version.data() + version.size();
  const auto [stopped, error] = std::from_chars(version.data(), end, number);
  if (error != std::errc() || stopped != end || number < 1) {
    return invalid_argument("model version " + quoted(version) + " is not a positive number");
  }
  return repository.find(name, number, asking);
}

Status set_parameter(std::string_view name, const Parameter& value, RequestOptions& options) {
  if (name == "priority") return set_priority(name, value, options);
  if (name == "sequence_id") return set_sequence_id(name, value, options);
  if (name == "sequence_start") return set_flag(name, value, options.sequence.start);
  if (name == "sequence_end") return set_flag(name, value, options.sequence.end);
  if (name != "timeout") return ok_status();
  INFERD_ASSIGN_OR_RETURN(options.timeout_us, whole_number(name, value));
  return ok_status();
}

Status set_parameter(std::string_view tensor, std::string_view name, const Parameter& value,
                     TensorOptions& options) {
  if (name != "classification") return ok_status();
  const Result<int64_t> classes = whole_number(name, value);
  if (!classes.ok()) return classes.status().with_context(tensor);
  options.classes = *classes;
  return ok_status();
}

Result<bool> set_place(std::string_view tensor, std::string_view name, const Parameter& value,
                       TensorPlace& place) {
  if (name == "shared_memory_region") {
    const auto* region = std::get_if<std::string>(&value);
    if (region == nullptr || region->empty()) {
      return malformed(name, "the name of a region").with_context(tensor);
    }
    place.region = *region;
    return true;
  }
  const bool is_offset = name == "shared_memory_offset";
  if (!is_offset && name != "shared_memory_byte_size") return false;
  const Result<int64_t> number = whole_number(name, value);
  if (!number.ok()) return number.status().with_context(tensor);
  (is_offset ? place.offset : place.byte_size) = static_cast<uint64_t>(*number);
  return true;
}

InputBinder::InputBinder(const Model& model)
    : infos_(model.inputs()), views_(infos_.size()), given_(infos_.size(), false) {}

Result<TensorView*> InputBinder::bind(std::string_view name, std::string_view datatype,
                                      std::span<const int64_t> shape) {
  const std::string title = "input " + quoted(name);
  const size_t index = index_of(infos_, name);
  if (index == infos_.size()) {
    return invalid_argument("the model has no " + title + "; it takes " + names_of(infos_));
  }
  if (given_[index]) return invalid_argument(title + " stands twice");
  given_[index] = true;
  const TensorInfo& info = infos_[index];
  if (dtype_from_name(datatype) != info.dtype) {
    return invalid_argument(title + " has datatype " + quoted(datatype) + ", the model takes " +
                            std::string(dtype_name(info.dtype)));
  }
  TensorView& view = views_[index];
  view.dtype = info.dtype;
  INFERD_ASSIGN_OR_RETURN(view.shape, shape_of(shape, info));
  return &view;
}

Status InputBinder::read(TensorView& input, const SharedMemory& memory, const TensorPlace& place,
                         std::vector<SharedBytes>& shared) {
  const TensorInfo& info = infos_[static_cast<size_t>(&input - views_.data())];
  const std::string title = "input " + quoted(info.name);
  INFERD_RETURN_IF_ERROR(check_shape(info, input.shape));
  INFERD_ASSIGN_OR_RETURN(const int64_t needed, checked_bytes(input.dtype, input.shape));
  if (static_cast<uint64_t>(needed) != place.byte_size) {
    return invalid_argument(title + " has " + std::to_string(place.byte_size) +
                            " bytes in shared memory, shape " + input.shape.to_string() +
                            " needs " + std::to_string(needed));
  }
  const auto part = memory.find(place);
  if (!part.ok()) return part.status().with_context(title);
  auto bytes = part->read();
  if (!bytes.ok()) return bytes.status().with_context(title);
  input.data = **bytes;
  shared.push_back(std::move(*bytes));
  return ok_status();
}

Result<std::vector<TensorView>> InputBinder::finish() {
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (!given_[i]) return invalid_argument("input " + quoted(infos_[i].name) + " is missing");
    if (infos_[i].dtype == DType::kBool) {
      INFERD_RETURN_IF_ERROR(check_bools(infos_[i], views_[i].data));
    }
  }
  return std::move(views_);
}

std::vector<WantedOutput> every_output(const Model& model) {
  std::vector<WantedOutput> wanted(model.outputs().size());
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i].index = i;
  return wanted;
}

Status want_output(const Model& model, std::string_view name, std::vector<WantedOutput>& wanted) {
  const size_t index = index_of(model.outputs(), name);
  if (index == model.outputs().size()) {
    return invalid_argument("the model has no output " + quoted(name) + "; it gives " +
                            names_of(model.outputs()));
  }
  const bool twice = std::any_of(wanted.begin(), wanted.end(),
                                 [&](const WantedOutput& other) { return other.index == index; });
  if (twice) return invalid_argument("output " + quoted(name) + " is requested twice");
  wanted.push_back({index, {}});
  return ok_status();
}

schedule::Request make_request(std::shared_ptr<const InferCall> call, int64_t deadline_ns) {
  // Decades; more would not fit into nanoseconds.
  constexpr int64_t kMaxUs = int64_t{1} << 50;
  schedule::Request request;
  request.inputs = call->inputs;
  request.deadline_ns = deadline_ns;
  request.priority = call->options.priority;
  request.timeout_us = std::min(call->options.timeout_us, kMaxUs);
  request.sequence = call->options.sequence;
  request.keep_alive = std::move(call);
  return request;
}

Classes classify(const TensorView& output, int64_t classes, const ModelVersion& model) {
  const std::vector<double> values = to_numbers(output);
  const bool batched = model.model->info().batchable && output.shape.rank() > 0;
  const size_t rows = batched ? static_cast<size_t>(output.shape[0]) : 1;
  const size_t columns = rows == 0 ? 0 : values.size() / rows;
  const size_t count = std::min(columns, static_cast<size_t>(classes));
  Classes result;
  if (batched) result.shape.push_back(static_cast<int64_t>(rows));
  result.shape.push_back(static_cast<int64_t>(count));
  for (size_t row = 0; row < rows; ++row) {
    const std::span<const double> of_row(values.data() + row * columns, columns);
    for (const size_t index : largest(of_row, count)) {
      std::string element = number_text(of_row[index], output.dtype) + ":" + std::to_string(index);
      if (index < model.labels.size()) element += ":" + model.labels[index];
      result.elements.push_back(std::move(element));
    }
  }
  return result;
}

std::string bytes_tensor(std::span<const std::string> elements) {
  std::string bytes;
  for (const std::string& element : elements) {
    const auto size = static_cast<uint32_t>(element.size());
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift & 0xFF);
    bytes += element;
  }
  return bytes;
}

}  // namespace inferd::serve
