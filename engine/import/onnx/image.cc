// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>

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

// scale * (x - mean) / sqrt(var + epsilon) + bias, with constant parameters.
Status batch_normalization(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "training_mode", 0) != 0) return unimplemented("training mode");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(auto scale, floats_of(l, node, 1));
  INFERD_ASSIGN_OR_RETURN(auto shift, floats_of(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto mean, floats_of(l, node, 3));
  INFERD_ASSIGN_OR_RETURN(const auto variance, floats_of(l, node, 4));
  if (shift.size() != scale.size() || mean.size() != scale.size() ||
      variance.size() != scale.size()) {
    return invalid_argument("parameters differ in size");
  }
  const float epsilon = Lowering::float_attr(node, "epsilon", 1e-5F);
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] /= std::sqrt(variance[i] + epsilon);
    shift[i] -= mean[i] * scale[i];
  }
  const Shape channels{static_cast<int64_t>(scale.size())};
  const ValueId s = l.builder().constant_floats(node.name + "/scale", channels, scale);
  const ValueId b = l.builder().constant_floats(node.name + "/shift", channels, shift);
  return emit(l, node, OpKind::kBatchNorm, std::array{x, s, b}, BatchNormAttrs{1});
}

}  // namespace inferd::import::onnx_lower
