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
Status depth_to_space(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape s = l.info(x).shape;
  const int64_t block = Lowering::int_attr(node, "blocksize", 0);
  INFERD_RETURN_IF_ERROR(check_image(l, x));
  if (!s.is_static()) return failed_precondition("rearranges an image of unknown size");
  if (block < 1 || block > 1024 || s[1] % (block * block) != 0) {
    return invalid_argument("block size " + std::to_string(block) + " does not fit " +
                            s.to_string());
  }
  const int64_t depth = s[1] / (block * block);
  const bool column_row_depth = Lowering::text_attr(node, "mode", "DCR") == "CRD";
  ir::Builder& b = l.builder();
  const std::vector<int64_t> split =
      column_row_depth ? std::vector<int64_t>{s[0], depth, block, block, s[2], s[3]}
                       : std::vector<int64_t>{s[0], block, block, depth, s[2], s[3]};
  INFERD_ASSIGN_OR_RETURN(const ValueId parts, b.reshape(x, split, node.name));
  const std::vector<int> order =
      column_row_depth ? std::vector<int>{0, 1, 4, 2, 5, 3} : std::vector<int>{0, 3, 4, 1, 5, 2};
  INFERD_ASSIGN_OR_RETURN(const ValueId moved, b.transpose(parts, order, node.name));
  return emit(l, node, OpKind::kReshape, std::array{moved},
              ReshapeAttrs{{s[0], depth, s[2] * block, s[3] * block}, true});
}

}  // namespace inferd::import::onnx_lower
