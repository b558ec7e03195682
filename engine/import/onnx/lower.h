// SPDX-License-Identifier: Apache-2.0
//
// The lowering functions of ONNX operators, by family; the table is in lowering.cc. Private to
// import/onnx.
//
// ONNX images are NCHW, the engine's are NHWC: image operators are emitted between two transposes,
// which the optimiser cancels against their neighbours'.
#pragma once

#include <optional>

#include "engine/import/lowering.h"

namespace inferd::import::onnx_lower {

using ir::OutputSpec;
using ir::ValueId;

inline OutputSpec named(const ForeignNode& node, size_t i = 0) {
  return OutputSpec::named(i < node.outputs.size() ? node.outputs[i] : "");
}

// One node whose output is the ONNX node's output 0, of the type of input 0 unless `spec` says
// otherwise.
Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs, const OutputSpec& spec);
inline Status emit(Lowering& l, const ForeignNode& node, OpKind kind,
                   std::span<const ValueId> inputs, OpAttrs attrs) {
  return emit(l, node, kind, inputs, std::move(attrs), named(node));
}

// Integers that moved from an attribute to input `i` in a later opset; empty when neither is there.
Result<std::vector<int64_t>> ints_from(Lowering& l, const ForeignNode& node,
                                       const std::string& attr, size_t i);

Result<ValueId> to_nhwc(Lowering& l, ValueId x, const ForeignNode& node);
// Transposes back to NCHW as output 0 of the node.
Status emit_nchw(Lowering& l, const ForeignNode& node, ValueId y);

// Attributes of Conv and the pools for NCHW shape `x` and the given kernel.
Status fill_window(const ForeignNode& node, const Shape& x, int64_t kernel_h, int64_t kernel_w,
                   Window2d* window);

// `x` (NCHW) and weights (OIHW, constant) as conv2d or depthwise_conv2d with output type `spec`, in
// NCHW.
Status emit_conv(Lowering& l, const ForeignNode& node, ValueId x, ValueId w,
                 std::optional<ValueId> bias, const OutputSpec& spec);
Status emit_average_pool(Lowering& l, const ForeignNode& node, ValueId x, const OutputSpec& spec);

// image.cc
Status conv(Lowering&, const ForeignNode&);
Status max_pool(Lowering&, const ForeignNode&);
Status average_pool(Lowering&, const ForeignNode&);
Status global_average_pool(Lowering&, const ForeignNode&);
Status global_max_pool(Lowering&, const ForeignNode&);
Status batch_normalization(Lowering&, const ForeignNode&);
Status resize(Lowering&, const ForeignNode&);
Status upsample(Lowering&, const ForeignNode&);
Status depth_to_space(Lowering&, const ForeignNode&);

// elementwise.cc, which has its rows of the table; null: not of that family
Lowering::LowerNode find_elementwise(const ForeignNode& node);

// math.cc
Status gemm(Lowering&, const ForeignNode&);
Status matmul(Lowering&, const ForeignNode&);
Status softmax(Lowering&, const ForeignNode&);
Status arg_max(Lowering&, const ForeignNode&);
Status reduce_max(Lowering&, const ForeignNode&);
Status reduce_mean(Lowering&, const ForeignNode&);
Status reduce_min(Lowering&, const ForeignNode&);
Status reduce_prod(Lowering&, const ForeignNode&);
Status reduce_sum(Lowering&, const ForeignNode&);

// movement.cc
Status cast(Lowering&, const ForeignNode&);
Status cast_like(Lowering&, const ForeignNode&);
Status concat(Lowering&, const ForeignNode&);
Status constant(Lowering&, const ForeignNode&);
Status constant_of_shape(Lowering&, const ForeignNode&);
Status expand(Lowering&, const ForeignNode&);
Status flatten(Lowering&, const ForeignNode&);
Status gather(Lowering&, const ForeignNode&);
Status identity(Lowering&, const ForeignNode&);
Status pad(Lowering&, const ForeignNode&);
Status reshape(Lowering&, const ForeignNode&);
Status shape(Lowering&, const ForeignNode&);
Status slice(Lowering&, const ForeignNode&);
Status split(Lowering&, const ForeignNode&);
Status squeeze(Lowering&, const ForeignNode&);
Status transpose(Lowering&, const ForeignNode&);
Status unsqueeze(Lowering&, const ForeignNode&);

// quantized.cc
Status quantize_linear(Lowering&, const ForeignNode&);
Status dequantize_linear(Lowering&, const ForeignNode&);
Status qlinear_conv(Lowering&, const ForeignNode&);
Status qlinear_matmul(Lowering&, const ForeignNode&);
Status qlinear_add(Lowering&, const ForeignNode&);
Status qlinear_mul(Lowering&, const ForeignNode&);
Status qlinear_concat(Lowering&, const ForeignNode&);
Status qlinear_sigmoid(Lowering&, const ForeignNode&);
Status qlinear_leaky_relu(Lowering&, const ForeignNode&);
Status qlinear_where(Lowering&, const ForeignNode&);
Status qlinear_average_pool(Lowering&, const ForeignNode&);
Status qlinear_global_average_pool(Lowering&, const ForeignNode&);

}  // namespace inferd::import::onnx_lower
