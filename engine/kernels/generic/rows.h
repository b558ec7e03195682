// SPDX-License-Identifier: Apache-2.0
//
// The rows of the generic algorithms, for a folder to put into its table with inner loops of its
// own. Rows carry no ISA in their names; candidates.cc adds it.
#pragma once

#include <array>
#include <cstddef>

#include "engine/kernels/generic/byte_depthwise_run.h"
#include "engine/kernels/generic/depthwise_run.h"
#include "engine/kernels/generic/detection.h"
#include "engine/kernels/generic/elementwise_run.h"
#include "engine/kernels/generic/matrix_run.h"
#include "engine/kernels/generic/movement.h"
#include "engine/kernels/generic/normalize.h"
#include "engine/kernels/generic/pool.h"
#include "engine/kernels/generic/reduce.h"
#include "engine/kernels/generic/resize.h"
#include "engine/kernels/generic/softmax.h"
#include "engine/kernels/generic/strided_copy.h"
#include "engine/kernels/generic/winograd_run.h"

namespace inferd::kernels::generic {

// Q, F: see matrix_run.h. `kAccepts`: what Q's lanes can take.
template <typename Q, Isa kIsa, bool (*kAccepts)(const OpDesc&)>
inline constexpr auto kQuantizedMatrixRows = std::array{
    Kernel{"conv2d_q8", OpKind::kConv2d, kIsa, kAccepts, QuantizedMatrix<Q>::cost,
           QuantizedMatrix<Q>::pack, QuantizedMatrix<Q>::prepare, QuantizedMatrix<Q>::run,
           kByLines | kSpreadsPixels},
    Kernel{"fully_connected_q8", OpKind::kFullyConnected, kIsa, kAccepts, QuantizedMatrix<Q>::cost,
           QuantizedMatrix<Q>::pack, QuantizedMatrix<Q>::prepare, QuantizedMatrix<Q>::run},
};

template <typename Q, Isa kIsa>
inline constexpr auto kQuantizedDepthwiseRows = std::array{
    Kernel{"depthwise_conv2d_q8", OpKind::kDepthwiseConv2d, kIsa, accepts_quantized_depthwise,
           QuantizedDepthwise<Q>::cost, QuantizedDepthwise<Q>::pack, QuantizedDepthwise<Q>::prepare,
           QuantizedDepthwise<Q>::run, kByLines | kSpreadsPixels},
};

template <typename Q, Isa kIsa>
inline constexpr auto kByteDepthwiseRows = std::array{
    Kernel{"depthwise_conv2d_q8", OpKind::kDepthwiseConv2d, kIsa, accepts_byte_depthwise,
           ByteDepthwise<Q>::cost, ByteDepthwise<Q>::pack, ByteDepthwise<Q>::prepare,
           ByteDepthwise<Q>::run, kByLines | kSpreadsPixels},
};

template <typename F, Isa kIsa>
inline constexpr auto kFloatRows = std::array{
    Kernel{"conv2d_f32", OpKind::kConv2d, kIsa, accepts_float_matrix, FloatMatrix<F>::cost,
           FloatMatrix<F>::pack, FloatMatrix<F>::prepare, FloatMatrix<F>::run,
           kByLines | kSpreadsPixels},
    Kernel{"conv2d_winograd_f32", OpKind::kConv2d, kIsa, accepts_winograd, Winograd<F>::cost,
           Winograd<F>::pack, Winograd<F>::prepare, Winograd<F>::run, kSpreadsPixels},
    Kernel{"fully_connected_f32", OpKind::kFullyConnected, kIsa, accepts_float_matrix,
           FloatMatrix<F>::cost, FloatMatrix<F>::pack, FloatMatrix<F>::prepare,
           FloatMatrix<F>::run},
    Kernel{"matmul_f32", OpKind::kMatMul, kIsa, accepts_float_matrix, FloatMatrix<F>::cost,
           FloatMatrix<F>::pack, FloatMatrix<F>::prepare, FloatMatrix<F>::run},
    Kernel{"depthwise_conv2d_f32", OpKind::kDepthwiseConv2d, kIsa, accepts_float_depthwise,
           FloatDepthwise<F>::cost, FloatDepthwise<F>::pack, FloatDepthwise<F>::prepare,
           FloatDepthwise<F>::run, kByLines | kSpreadsPixels},
};

template <typename P>
double cost_of_elements(const OpDesc& op) {
  return static_cast<double>(op.outputs[0].elements()) / P::kElementsPerCycle;
}

// P: see elementwise_run.h.
template <typename P, Isa kIsa>
inline constexpr auto kElementwiseRows = std::array{
    Kernel{"binary_q8", OpKind::kBinary, kIsa, accepts_quantized_binary, cost_of_elements<P>,
           nullptr, plan_binary, run_quantized_binary<P>, kInPlace | kByLines},
    Kernel{"binary_f32", OpKind::kBinary, kIsa, accepts_float_binary, cost_of_elements<P>, nullptr,
           plan_binary, run_float_binary<P>, kInPlace | kByLines},
    Kernel{"unary_q8", OpKind::kUnary, kIsa, accepts_table, cost_of_elements<P>, nullptr,
           plan_table, run_table<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"unary_f32", OpKind::kUnary, kIsa, accepts_float_unary, cost_of_elements<P>, nullptr,
           plan_unary, run_float_unary<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"clamp_q8", OpKind::kClamp, kIsa, accepts_table, cost_of_elements<P>, nullptr,
           plan_table, run_table<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"clamp_f32", OpKind::kClamp, kIsa, accepts_float_clamp, cost_of_elements<P>, nullptr,
           plan_clamp, run_float_clamp<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"requantize", OpKind::kRequantize, kIsa, accepts_table, cost_of_elements<P>, nullptr,
           plan_table, run_table<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"lookup", OpKind::kLookup, kIsa, accepts_table, cost_of_elements<P>, nullptr, plan_table,
           run_table<P>, kInPlace | kByLines | kSpreadsPixels},
    Kernel{"quantize", OpKind::kQuantize, kIsa, accepts_tensor_quantize, cost_of_elements<P>,
           nullptr, nullptr, run_quantize<P>, kByLines | kSpreadsPixels},
    Kernel{"dequantize", OpKind::kDequantize, kIsa, accepts_tensor_dequantize, cost_of_elements<P>,
           nullptr, nullptr, run_dequantize<P>, kByLines | kSpreadsPixels},
    Kernel{"max_pool2d", OpKind::kMaxPool2d, kIsa, accepts_max_pool, cost_of_elements<P>, nullptr,
           plan_pool, Pool<P>::run_max, kByLines | kSpreadsPixels},
    Kernel{"average_pool2d", OpKind::kAveragePool2d, kIsa, accepts_average_pool,
           cost_of_elements<P>, nullptr, plan_pool, Pool<P>::run_average,
           kByLines | kSpreadsPixels},
    Kernel{"resize_linear", OpKind::kResize, kIsa, accepts_linear_resize, cost_of_elements<P>,
           nullptr, plan_linear_resize, LinearResize<P>::run},
    Kernel{"softmax_f32", OpKind::kSoftmax, kIsa, accepts_float_softmax, cost_of_elements<P>,
           nullptr, plan_softmax, run_float_softmax<P>, kInPlace},
    Kernel{"normalize_f32", OpKind::kNormalize, kIsa, accepts_normalize, cost_of_elements<P>,
           nullptr, plan_normalize, Normalize<P>::run, kInPlace},
    Kernel{"prelu_f32", OpKind::kPRelu, kIsa, accepts_float_prelu, cost_of_elements<P>, nullptr,
           plan_prelu, run_float_prelu<P>, kInPlace | kByLines},
    Kernel{"reduce", OpKind::kReduce, kIsa, accepts_reduce, cost_of_elements<P>, nullptr,
           plan_reduce, Reduce<P>::run},
};

// C: bytes_to_triples and words_to_triples (see strided_copy.h).
template <typename C>
void run_copy_with(const RunArgs& args) {
  constexpr CopyLoops kLoops = {C::bytes_to_triples, C::words_to_triples};
  run_strided_copy_with(kLoops, args);
}
template <typename C, Isa kIsa>
inline constexpr auto kCopyRows = std::array{
    Kernel{"transpose", OpKind::kTranspose, kIsa, accepts_copy, copy_cost, nullptr, plan_transpose,
           run_copy_with<C>},
    Kernel{"strided_copy", OpKind::kStridedCopy, kIsa, accepts_copy, copy_cost, nullptr,
           plan_strided_copy, run_copy_with<C>},
};

// One table from several. No container: a folder's file may hold nothing that the linker could
// share with files compiled for another ISA.
template <size_t... kSizes>
constexpr auto joined(const std::array<Kernel, kSizes>&... tables) {
  std::array<Kernel, (kSizes + ...)> rows{};
  size_t i = 0;
  const auto append = [&](const auto& table) {
    for (const Kernel& row : table) rows[i++] = row;
  };
  (append(tables), ...);
  return rows;
}

}  // namespace inferd::kernels::generic
