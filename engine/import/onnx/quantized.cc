// SPDX-License-Identifier: Apache-2.0
//
// ONNX says quantization with operators and extra inputs; ir says it with types. Scales and zero
// points must be constants, and a value has one quantization wherever it is used.
#include <array>
#include <cstring>

#include "engine/import/onnx/integer.h"

namespace inferd::import::onnx_lower {
namespace {

struct QuantInputs {
  Quantization quantization;
  DType dtype = DType::kUInt8;  // of the zero point
};

// Scale at input `i`, zero point at i + 1 (absent: 0, UINT8).
Result<QuantInputs> quant_inputs(Lowering& l, const ForeignNode& node, size_t i, int axis) {
  QuantInputs q;
  INFERD_ASSIGN_OR_RETURN(const ValueId scale_id, l.input(node, i));
  const ir::Value& scale = l.info(scale_id);
  if (!scale.is_constant()) {
    return failed_precondition("scale '" + node.inputs[i] + "' is not known before a request");
  }
  if (scale.dtype != DType::kFloat32 || scale.shape.rank() > 1) {
    return unimplemented("scale '" + node.inputs[i] +
                         "' must be a constant float32 scalar or vector");
  }
  const auto* scales = reinterpret_cast<const float*>(scale.constant->bytes().data());
  q.quantization.scales.assign(scales, scales + scale.shape.elements());
  q.quantization.zero_points.assign(q.quantization.scales.size(), 0);
  // One scale has no axis: equal quantizations must compare equal.
  if (q.quantization.per_channel()) q.quantization.axis = axis;
  if (q.quantization.scales.empty())
    return invalid_argument("scale '" + node.inputs[i] + "' is empty");
  if (!l.has(node, i + 1)) return q;

  INFERD_ASSIGN_OR_RETURN(const ValueId zero_id, l.input(node, i + 1));
  const ir::Value& zero = l.info(zero_id);
  if (!zero.is_constant())
    return failed_precondition("zero point '" + node.inputs[i + 1] + "' must be a constant");
  if (zero.shape.elements() != static_cast<int64_t>(q.quantization.scales.size())) {
    return invalid_argument("scale and zero point differ in size");
  }
  q.dtype = zero.dtype;
  const std::byte* data = zero.constant->bytes().data();
  for (size_t c = 0; c < q.quantization.zero_points.size(); ++c) {
    int32_t& out = q.quantization.zero_points[c];
    switch (zero.dtype) {
      case DType::kInt8:
        out = int32_t{reinterpret_cast<const int8_t*>(data)[c]};
        break;
      case DType::kUInt8:
        out = reinterpret_cast<const uint8_t*>(data)[c];
        break;
      case DType::kInt16:
        out = int32_t{reinterpret_cast<const int16_t*>(data)[c]};
        break;
      case DType::kUInt16:
        out = int32_t{reinterpret_cast<const uint16_t*>(data)[c]};
        break;
      case DType::kInt32:
        std::memcpy(&out, data + c * sizeof out, sizeof out);
        break;
      default:
        return unimplemented("zero points of type " + std::string(dtype_name(zero.dtype)));
    }
  }
  return q;
}

// The value at input `i` with quantization `q`.
Result<ValueId> quantized(Lowering& l, const ForeignNode& node, size_t i, const Quantization& q) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
  ir::Value& value = l.builder().graph().value(id);
  if (value.quantization == q) return id;
  if (value.is_constant()) {
    const ir::Value v = value;
    return l.builder().constant(v.name, v.dtype, v.shape, v.constant, q);
  }
  if (!value.quantization.empty()) {
    return unimplemented("'" + node.inputs[i] + "' is read with two different quantizations");
  }
  value.quantization = q;
  return id;
}

// Tensor at `i` with its scale and zero point at i + 1 and i + 2.
Result<ValueId> quantized_triple(Lowering& l, const ForeignNode& node, size_t i, int axis = 0) {
  INFERD_ASSIGN_OR_RETURN(const QuantInputs q, quant_inputs(l, node, i + 1, axis));
  return quantized(l, node, i, q.quantization);
}

// Output type from a scale and zero point at `i`.
Result<OutputSpec> output_spec(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const QuantInputs q, quant_inputs(l, node, i, 0));
  if (q.quantization.per_channel()) return unimplemented("an output with several scales");
  return OutputSpec::typed(named(node).name, q.dtype, q.quantization);
}

// x with the type and quantization of `spec`.
Result<ValueId> requantized(Lowering& l, const ForeignNode& node, ValueId x,
                            const OutputSpec& spec) {
  if (l.info(x).quantization == spec.quantization && l.info(x).dtype == spec.dtype) return x;
  return l.builder().op(OpKind::kRequantize, {x}, RequantizeAttrs{}, node.name + "/scale",
                        OutputSpec::typed("", spec.dtype, spec.quantization));
}

// Scale and zero point per element of `axis`, normalized; scalars ignore it.
int axis_of(const Lowering& l, const ForeignNode& node, ValueId x) {
  const int rank = l.info(x).shape.rank();
  const int64_t axis = Lowering::int_attr(node, "axis", 1);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// Scale and zero point are constants that a type can hold: one scale or one for each index of an
// axis.
Result<bool> has_plain_scales(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId scale, l.input(node, 1));
  const ir::Value& s = l.info(scale);
  if (!s.is_constant() || s.dtype != DType::kFloat32 || s.shape.rank() > 1) return false;
  if (!l.has(node, 2)) return true;
  INFERD_ASSIGN_OR_RETURN(const ValueId zero, l.input(node, 2));
  return l.info(zero).is_constant();
}

// What QuantizeLinear makes: the type of the zero point, or the one an attribute names.
Result<DType> quantized_type(Lowering& l, const ForeignNode& node) {
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId zero, l.input(node, 2));
    const ForeignTensor* given = l.tensor(node.inputs[2]);
    if (given != nullptr && given->was_4bit) return unimplemented("an output of 4 bits");
    return l.info(zero).dtype;
  }
  switch (Lowering::int_attr(node, "output_dtype", 0)) {  // TensorProto.DataType
    case 0:
    case 2:
      return DType::kUInt8;
    case 3:
      return DType::kInt8;
    case 4:
      return DType::kUInt16;
    case 5:
      return DType::kInt16;
    default:
      return unimplemented("output_dtype " +
                           std::to_string(Lowering::int_attr(node, "output_dtype", 0)));
  }
}

Status qlinear_binary(Lowering& l, const ForeignNode& node, BinaryKind kind) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, quantized_triple(l, node, 3));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 6));
  return emit(l, node, OpKind::kBinary, std::array{a, b}, BinaryAttrs{kind, {}, Rounding::kFloat},
              spec);
}

Status qlinear_unary(Lowering& l, const ForeignNode& node, UnaryAttrs attrs) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 3));
  return emit(l, node, OpKind::kUnary, std::array{x}, attrs, spec);
}

}  // namespace

Status quantize_linear(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const DType dtype, quantized_type(l, node));
  INFERD_ASSIGN_OR_RETURN(const bool typed, has_plain_scales(l, node));
  if (!typed || l.info(x).dtype != DType::kFloat32) return quantize_by_arithmetic(l, node, dtype);
  INFERD_ASSIGN_OR_RETURN(const QuantInputs q, quant_inputs(l, node, 1, axis_of(l, node, x)));
  return emit(l, node, OpKind::kQuantize, std::array{x}, {},
              OutputSpec::typed(named(node).name, dtype, q.quantization));
}

Status dequantize_linear(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId raw, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(raw));
  INFERD_ASSIGN_OR_RETURN(const bool typed, has_plain_scales(l, node));
  if (!typed) return dequantize_by_arithmetic(l, node);
  INFERD_ASSIGN_OR_RETURN(const QuantInputs q, quant_inputs(l, node, 1, axis_of(l, node, raw)));
  const Quantization& other = l.info(raw).quantization;
  if (!l.info(raw).is_constant() && !other.empty() && other != q.quantization) {
    return dequantize_by_arithmetic(l, node);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, quantized(l, node, 0, q.quantization));
  return emit(l, node, OpKind::kDequantize, std::array{x}, {},
              OutputSpec::typed(named(node).name, DType::kFloat32));
}

Status qlinear_conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, quantized_triple(l, node, 3));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 6));
  std::optional<ValueId> bias;
  if (l.has(node, 8)) {
    INFERD_ASSIGN_OR_RETURN(bias, l.input(node, 8));
  }
  return emit_conv(l, node, x, w, bias, spec);
}

// A constant matrix may have a scale for each column: then it is a fully connected layer's weights.
Status qlinear_matmul(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, quantized_triple(l, node, 3, 1));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 6));
  if (!l.info(b).is_constant() || l.info(b).shape.rank() != 2) {
    return emit(l, node, OpKind::kMatMul, std::array{a, b}, MatMulAttrs{}, spec);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId w,
                          l.builder().transpose(b, {1, 0}, node.name + "/weights"));
  return emit(l, node, OpKind::kFullyConnected, std::array{a, w}, FullyConnectedAttrs{}, spec);
}

Status qlinear_add(Lowering& l, const ForeignNode& node) {
  return qlinear_binary(l, node, BinaryKind::kAdd);
}
Status qlinear_mul(Lowering& l, const ForeignNode& node) {
  return qlinear_binary(l, node, BinaryKind::kMul);
}

Status qlinear_concat(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 0));
  std::vector<ValueId> inputs;
  for (size_t i = 2; i + 1 < node.inputs.size(); i += 3) {
    INFERD_ASSIGN_OR_RETURN(ValueId x, quantized_triple(l, node, i));
    INFERD_ASSIGN_OR_RETURN(x, requantized(l, node, x, spec));
    inputs.push_back(x);
  }
  if (inputs.empty()) return invalid_argument("has no inputs");
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), inputs[0]));
  return emit(l, node, OpKind::kConcat, inputs, ConcatAttrs{axis}, spec);
}

Status qlinear_sigmoid(Lowering& l, const ForeignNode& node) {
  return qlinear_unary(l, node, UnaryAttrs{UnaryKind::kSigmoid, 0.F, 0.F});
}

Status qlinear_leaky_relu(Lowering& l, const ForeignNode& node) {
  return qlinear_unary(
      l, node, UnaryAttrs{UnaryKind::kLeakyRelu, Lowering::float_attr(node, "alpha", 0.01F), 0.F});
}

// Inputs: condition, x, its scale and zero point, y, its scale and zero point, the result's.
Status qlinear_where(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId which, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId a, quantized_triple(l, node, 1));
  INFERD_ASSIGN_OR_RETURN(ValueId b, quantized_triple(l, node, 4));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 7));
  INFERD_ASSIGN_OR_RETURN(a, requantized(l, node, a, spec));
  INFERD_ASSIGN_OR_RETURN(b, requantized(l, node, b, spec));
  return emit(l, node, OpKind::kSelect, std::array{a, b, which}, {}, spec);
}

Status qlinear_average_pool(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "channels_last", 0) != 0) return unimplemented("channels_last");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 3));
  return emit_average_pool(l, node, x, spec);
}

Status qlinear_global_average_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, quantized_triple(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const OutputSpec spec, output_spec(l, node, 3));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const int first = Lowering::int_attr(node, "channels_last", 0) != 0 ? 1 : 2;
  const int rank = l.info(x).shape.rank();
  ReduceAttrs attrs{ReduceKind::kMean, {}, true};
  for (int d = first; d < first + rank - 2; ++d) attrs.axes.push_back(d);
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs, spec);
}

}  // namespace inferd::import::onnx_lower
