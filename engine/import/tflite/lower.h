// SPDX-License-Identifier: Apache-2.0
//
// The lowering functions of TensorFlow Lite operators, by family: each file ends in its rows of the
// table that lowering.cc searches. Private to import/tflite.
#pragma once

#include <span>
#include <vector>

#include "engine/import/lowering.h"

namespace inferd::import::tflite_lower {

using ir::OutputSpec;
using ir::ValueId;

struct Row {
  const char* domain;  // a custom operator may have any name, also a built-in's
  const char* op;
  Lowering::LowerNode lower;
};
inline constexpr const char* kCustomDomain = "custom";

std::span<const Row> block_rows();
std::span<const Row> control_rows();
std::span<const Row> conv_rows();
std::span<const Row> elementwise_rows();
std::span<const Row> image_rows();
std::span<const Row> index_rows();
std::span<const Row> landmark_rows();
std::span<const Row> math_rows();
std::span<const Row> movement_rows();
std::span<const Row> quantized_rows();
std::span<const Row> random_rows();
std::span<const Row> reduce_rows();
std::span<const Row> recurrent_rows();

// Name, type and quantization of output `i`, as the file declares them.
OutputSpec spec(const Lowering& l, const ForeignNode& node, size_t i = 0);

// One node whose output is the node's output 0.
Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs);

// The fused activation.
Result<Activation> activation(const ForeignNode& node);

// x, weights and bias of a convolution or fully connected layer, at these inputs of the node.
// Quantized weights under float activations (dynamic-range models) are dequantized, which is closer
// to the model before it was quantized than quantizing activations as well.
Result<std::vector<ValueId>> weighted_inputs(Lowering& l, const ForeignNode& node, size_t x = 0,
                                             size_t weights = 1, size_t bias = 2);

// Lowers the node by `lower` in float32: what goes in and comes out quantized is converted.
Status in_float32(Lowering& l, const ForeignNode& node, Lowering::LowerNode lower);

// For operators whose kernels take 8 bits but not 16: those of 16 bits are computed in float32,
// which has as many bits as they need.
template <Lowering::LowerNode kLower>
Status wide_in_float32(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const ir::Value& value = l.info(x);
  const bool is_wide = value.dtype == DType::kInt16 && !value.quantization.empty();
  return is_wide ? in_float32(l, node, kLower) : kLower(l, node);
}

// The integers in front of a custom operator's options, where those are a C struct; empty where
// there are fewer than `count`.
std::vector<int32_t> option_words(const ForeignNode& node, size_t count);

}  // namespace inferd::import::tflite_lower
