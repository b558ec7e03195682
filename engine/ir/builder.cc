// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/builder.h"

#include "engine/ir/ops.h"
#include "engine/ir/shape_inference.h"

namespace inferd::ir {

ValueId Builder::input(std::string name, DType dtype, const Shape& shape,
                       Quantization quantization) {
  const ValueId id =
      graph_.add_value({std::move(name), dtype, shape, true, std::move(quantization), nullptr});
  graph_.inputs().push_back(id);
  return id;
}

void Builder::output(ValueId id) { graph_.outputs().push_back(id); }

ValueId Builder::constant(std::string name, DType dtype, const Shape& shape,
                          std::shared_ptr<const Constant> constant, Quantization quantization) {
  return graph_.add_value(
      {std::move(name), dtype, shape, true, std::move(quantization), std::move(constant)});
}

ValueId Builder::constant_bytes(std::string name, DType dtype, const Shape& shape,
                                std::vector<std::byte> bytes, Quantization quantization) {
  return constant(std::move(name), dtype, shape, Constant::own(std::move(bytes)),
                  std::move(quantization));
}

ValueId Builder::constant_floats(std::string name, const Shape& shape,
                                 std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return constant_bytes(std::move(name), DType::kFloat32, shape, {bytes.begin(), bytes.end()});
}

ValueId Builder::constant_int64s(std::string name, std::span<const int64_t> values) {
  const auto bytes = std::as_bytes(values);
  return constant_bytes(std::move(name), DType::kInt64, Shape{static_cast<int64_t>(values.size())},
                        {bytes.begin(), bytes.end()});
}

ValueId Builder::constant_int32s(std::string name, const Shape& shape,
                                 std::span<const int32_t> values, Quantization quantization) {
  const auto bytes = std::as_bytes(values);
  return constant_bytes(std::move(name), DType::kInt32, shape, {bytes.begin(), bytes.end()},
                        std::move(quantization));
}

Result<ValueId> Builder::op(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs,
                            std::string_view node_name, const OutputSpec& output) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<ValueId> ids,
                          ops(kind, inputs, std::move(attrs), node_name, std::span(&output, 1)));
  return ids[0];
}

Result<std::vector<ValueId>> Builder::ops(OpKind kind, std::span<const ValueId> inputs,
                                          OpAttrs attrs, std::string_view node_name,
                                          std::span<const OutputSpec> outputs) {
  const OpInfo& info = op_info(kind);
  Node node{kind, std::string(node_name), std::move(attrs), {inputs.begin(), inputs.end()}, {}};
  for (const OutputSpec& spec : outputs) {
    Value value;
    value.name = spec.name;
    if (!inputs.empty()) {
      const Value& first = graph_.value(inputs[0]);
      value.dtype = first.dtype;
      if (info.moves_data) value.quantization = first.quantization;
    }
    if (spec.set_dtype) value.dtype = spec.dtype;
    if (!spec.quantization.empty()) value.quantization = spec.quantization;
    node.outputs.push_back(graph_.add_value(std::move(value)));
  }
  INFERD_RETURN_IF_ERROR(infer_shapes(graph_, node));
  std::vector<ValueId> ids = node.outputs;
  graph_.add_node(std::move(node));
  return ids;
}

Result<ValueId> Builder::transpose(ValueId x, std::vector<int> perm, std::string_view node_name) {
  return op(OpKind::kTranspose, {x}, TransposeAttrs{std::move(perm)}, node_name);
}

Result<ValueId> Builder::reshape(ValueId x, std::vector<int64_t> dims, std::string_view node_name) {
  return op(OpKind::kReshape, {x}, ReshapeAttrs{.dims = std::move(dims), .zero_is_literal = false},
            node_name);
}

}  // namespace inferd::ir
