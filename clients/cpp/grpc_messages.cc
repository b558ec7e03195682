// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/grpc_messages.h"

#include <span>

namespace inferd {

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

}  // namespace inferd
