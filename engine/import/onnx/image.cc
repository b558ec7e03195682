// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {

Result<std::vector<float>> floats_of(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
  const ir::Value& v = l.info(id);
  if (!v.is_constant()) {
    return failed_precondition("input '" + node.inputs[i] + "' is not known before a request");
  }
  if (v.dtype != DType::kFloat32) {
    return invalid_argument("input '" + node.inputs[i] + "' is not FP32");
  }
  const auto* data = reinterpret_cast<const float*>(v.constant->bytes().data());
  return std::vector<float>(data, data + v.constant->size() / sizeof(float));
}

}  // namespace inferd::import::onnx_lower
