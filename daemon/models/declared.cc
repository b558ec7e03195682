// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/declared.h"

#include <algorithm>

namespace inferd::models {
namespace {

using config::TensorConfig;

std::string names_of(std::span<const TensorInfo> tensors) {
  std::string names;
  for (const TensorInfo& tensor : tensors) {
    names += (names.empty() ? "'" : ", '") + tensor.name + "'";
  }
  return names;
}

std::string text_of(std::span<const int64_t> dims) {
  std::string text;
  for (const int64_t dim : dims) {
    text += (text.empty() ? "" : ",") + (dim < 0 ? "?" : std::to_string(dim));
  }
  return "[" + text + "]";
}

// A dimension of any size may be declared as one size, but not the other way round.
bool fits(std::span<const int64_t> declared, std::span<const int64_t> real) {
  return std::equal(declared.begin(), declared.end(), real.begin(), real.end(),
                    [](int64_t said, int64_t is) {
                      return is == kDynamicDim ? said == -1 || said > 0 : said == is;
                    });
}

Status check_tensor(const TensorConfig& declared, std::span<const TensorInfo> tensors,
                    const std::string& kind, bool dims_have_batch) {
  const std::string title = declared.mark.to_string() + ": " + kind + " '" + declared.name + "'";
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& tensor) {
    return tensor.name == declared.name;
  });
  if (found == tensors.end()) {
    return invalid_argument(title + " is not the model's; it has " + names_of(tensors));
  }
  if (!declared.datatype.empty() && declared.datatype != dtype_name(found->dtype)) {
    return invalid_argument(title + " is declared as " + declared.datatype + ", the model's is " +
                            std::string(dtype_name(found->dtype)));
  }
  std::span<const int64_t> dims = found->shape.dims();
  if (!dims_have_batch && dims.empty()) {
    return invalid_argument(title + " has no dimension for batches; set max_batch_size to 0");
  }
  if (!dims_have_batch) dims = dims.subspan(1);
  if (declared.dims.empty() || fits(declared.dims, dims)) return ok_status();
  return invalid_argument(title + " is declared with dims " + text_of(declared.dims) +
                          ", the model's are " + text_of(dims) +
                          (dims_have_batch ? "" : " beside that of the batch"));
}

}  // namespace

Status check_declared(const config::DeclaredModel& declared, const ModelInfo& model) {
  for (const TensorConfig& input : declared.inputs) {
    INFERD_RETURN_IF_ERROR(check_tensor(input, model.inputs, "input", declared.dims_have_batch));
  }
  for (const TensorConfig& output : declared.outputs) {
    INFERD_RETURN_IF_ERROR(check_tensor(output, model.outputs, "output", declared.dims_have_batch));
  }
  if (declared.inputs.empty()) return ok_status();
  for (const TensorInfo& input : model.inputs) {
    const bool is_declared = std::any_of(declared.inputs.begin(), declared.inputs.end(),
                                         [&](const auto& one) { return one.name == input.name; });
    if (is_declared) continue;
    return invalid_argument(declared.mark.file + ": input '" + input.name +
                            "' of the model is not declared");
  }
  return ok_status();
}

}  // namespace inferd::models
