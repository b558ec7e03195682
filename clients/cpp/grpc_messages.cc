// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/grpc_messages.h"

#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

namespace inferd {
namespace {

Status not_classes(const std::string& output) {
  return internal_error("the daemon's answer for the classes of output '" + output +
                        "' is not understood");
}

// Of "score:index" or "score:index:label".
template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  const bool is_last = text.empty();
  if (!is_last && text.front() != ':') return false;
  if (!is_last) text.remove_prefix(1);
  return true;
}

// Takes an element off the front of a tensor of BYTES: its length as 32 bits, and itself.
bool take_class(std::string_view& bytes, Class& taken) {
  uint32_t size = 0;
  if (bytes.size() < sizeof size) return false;
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size > bytes.size()) return false;
  std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  if (!take_number(text, taken.score) || !take_number(text, taken.index)) return false;
  taken.label = text;
  return true;
}

}  // namespace

Status from_grpc(const grpc::Status& status) {
  if (status.ok()) return ok_status();
  return {static_cast<StatusCode>(status.error_code()), status.error_message()};
}

inference::ModelInferRequest infer_request(const std::string& model,
                                           const std::vector<NamedTensor>& inputs,
                                           const InferOptions& options) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  request.set_model_version(options.version);
  for (const NamedTensor& input : inputs) {
    auto* tensor = request.add_inputs();
    tensor->set_name(input.name);
    tensor->set_datatype(std::string(dtype_name(input.tensor.dtype)));
    for (int64_t dim : input.tensor.shape) tensor->add_shape(dim);
    request.add_raw_input_contents(input.tensor.data.data(), input.tensor.data.size());
  }
  for (const std::string& name : options.outputs) request.add_outputs()->set_name(name);
  auto& parameters = *request.mutable_parameters();
  if (options.priority > 0) parameters["priority"].set_int64_param(options.priority);
  if (options.sequence.id != 0) {
    // As text, which other servers take, too, and which has room for all numbers.
    parameters["sequence_id"].set_string_param(std::to_string(options.sequence.id));
    parameters["sequence_start"].set_bool_param(options.sequence.start);
    parameters["sequence_end"].set_bool_param(options.sequence.end);
  }
  return request;
}

Result<std::vector<NamedResult>> infer_results(const inference::ModelInferResponse& response) {
  std::vector<NamedResult> results;
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    NamedResult result;
    result.name = output.name();
    const auto dtype = dtype_from_name(output.datatype());
    if (!dtype || i >= response.raw_output_contents_size() || output.shape_size() > kMaxRank) {
      return internal_error("the daemon's answer for output '" + output.name() +
                            "' is not understood");
    }
    result.dtype = *dtype;
    for (int64_t dim : output.shape()) result.shape.push_back(dim);
    const auto bytes = std::as_bytes(std::span(response.raw_output_contents(i)));
    const auto expected = checked_bytes(*dtype, result.shape);
    if (!expected.ok() || static_cast<uint64_t>(*expected) != bytes.size()) {
      return internal_error("the daemon's answer for output '" + output.name() + "' has " +
                            std::to_string(bytes.size()) + " bytes, not those of shape " +
                            result.shape.to_string());
    }
    result.data.assign(bytes.begin(), bytes.end());
    results.push_back(std::move(result));
  }
  return results;
}

Result<std::vector<NamedClasses>> class_results(const inference::ModelInferResponse& response) {
  std::vector<NamedClasses> results;
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    const int rank = output.shape_size();
    if (output.datatype() != "BYTES" || rank < 1 || i >= response.raw_output_contents_size())
      return not_classes(output.name());
    const int64_t in_row = output.shape(rank - 1);
    NamedClasses& result = results.emplace_back();
    result.name = output.name();
    std::string_view bytes = response.raw_output_contents(i);
    while (!bytes.empty()) {
      if (result.rows.empty() || static_cast<int64_t>(result.rows.back().size()) >= in_row)
        result.rows.emplace_back();
      if (!take_class(bytes, result.rows.back().emplace_back())) return not_classes(output.name());
    }
  }
  return results;
}

}  // namespace inferd
