// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// Dearer than any other row of the same operator.
double cost(const OpDesc&) { return 1e18; }

constexpr Kernel row(const char* name, OpKind op, bool (*accepts)(const OpDesc&),
                     void (*run)(const RunArgs&), unsigned traits = 0) {
  return {name, op, Isa::kPortable, accepts, cost, nullptr, nullptr, run, traits};
}

const Kernel kRows[] = {
    row("ref_conv2d", OpKind::kConv2d, accepts_conv2d, run_conv2d),
    row("ref_depthwise_conv2d", OpKind::kDepthwiseConv2d, accepts_depthwise_conv2d,
        run_depthwise_conv2d),
    row("ref_conv_transpose2d", OpKind::kConvTranspose2d, accepts_conv_transpose2d,
        run_conv_transpose2d),
    row("ref_fully_connected", OpKind::kFullyConnected, accepts_fully_connected,
        run_fully_connected),
    row("ref_matmul", OpKind::kMatMul, accepts_matmul, run_matmul),
    row("ref_binary", OpKind::kBinary, accepts_binary, run_binary),
    row("ref_compare", OpKind::kCompare, accepts_compare, run_compare),
    row("ref_select", OpKind::kSelect, accepts_select, run_select),
    row("ref_unary", OpKind::kUnary, accepts_unary, run_unary, kInPlace),
    row("ref_clamp", OpKind::kClamp, accepts_clamp, run_clamp, kInPlace),
    row("ref_prelu", OpKind::kPRelu, accepts_prelu, run_prelu, kInPlace),
    row("ref_random", OpKind::kRandom, accepts_random, run_random),
    row("ref_max_pool2d", OpKind::kMaxPool2d, accepts_max_pool2d, run_max_pool2d),
    row("ref_average_pool2d", OpKind::kAveragePool2d, accepts_average_pool2d, run_average_pool2d),
    row("ref_max_pool_indices", OpKind::kMaxPoolIndices, accepts_max_pool_indices,
        run_max_pool_indices),
    row("ref_reduce", OpKind::kReduce, accepts_reduce, run_reduce),
    row("ref_arg_max", OpKind::kArgMax, accepts_arg_max, run_arg_max),
    row("ref_cum_sum", OpKind::kCumSum, accepts_cum_sum, run_cum_sum),
    row("ref_softmax", OpKind::kSoftmax, accepts_softmax, run_softmax, kInPlace),
    row("ref_normalize", OpKind::kNormalize, accepts_normalize, run_normalize, kInPlace),
    row("ref_local_response_norm", OpKind::kLocalResponseNorm, accepts_local_response_norm,
        run_local_response_norm),
    {"ref_determinant", OpKind::kDeterminant, Isa::kPortable, accepts_determinant, cost, nullptr,
     prepare_determinant, run_determinant},
    row("ref_concat", OpKind::kConcat, accepts_concat, run_concat),
    row("ref_slice", OpKind::kSlice, accepts_slice, run_slice),
    row("ref_trim", OpKind::kTrim, accepts_trim, run_trim),
    row("ref_pad", OpKind::kPad, accepts_pad, run_pad),
    row("ref_reshape", OpKind::kReshape, accepts_reshape, run_reshape),
    row("ref_transpose", OpKind::kTranspose, accepts_transpose, run_transpose),
    row("ref_strided_copy", OpKind::kStridedCopy, accepts_strided_copy, run_strided_copy),
    row("ref_expand", OpKind::kExpand, accepts_expand, run_expand),
    row("ref_tile", OpKind::kTile, accepts_tile, run_tile),
    row("ref_reverse_sequence", OpKind::kReverseSequence, accepts_reverse_sequence,
        run_reverse_sequence),
    row("ref_trilu", OpKind::kTrilu, accepts_trilu, run_trilu),
    row("ref_gather", OpKind::kGather, accepts_gather, run_gather),
    row("ref_gather_elements", OpKind::kGatherElements, accepts_gather_elements,
        run_gather_elements),
    row("ref_gather_nd", OpKind::kGatherNd, accepts_gather_nd, run_gather_nd),
    row("ref_scatter_elements", OpKind::kScatterElements, accepts_scatter_elements,
        run_scatter_elements),
    row("ref_scatter_nd", OpKind::kScatterNd, accepts_scatter_nd, run_scatter_nd),
    row("ref_update_slice", OpKind::kUpdateSlice, accepts_update_slice, run_update_slice),
    row("ref_range", OpKind::kRange, accepts_range, run_range),
    row("ref_one_hot", OpKind::kOneHot, accepts_one_hot, run_one_hot),
    row("ref_non_zero", OpKind::kNonZero, accepts_non_zero, run_non_zero),
    {"ref_top_k", OpKind::kTopK, Isa::kPortable, accepts_top_k, cost, nullptr, prepare_top_k,
     run_top_k},
    {"ref_unique", OpKind::kUnique, Isa::kPortable, accepts_unique, cost, nullptr, prepare_unique,
     run_unique},
    {"ref_non_max_suppression", OpKind::kNonMaxSuppression, Isa::kPortable,
     accepts_non_max_suppression, cost, nullptr, prepare_non_max_suppression,
     run_non_max_suppression},
    row("ref_resize", OpKind::kResize, accepts_resize, run_resize),
    row("ref_resize_axis", OpKind::kResizeAxis, accepts_resize_axis, run_resize_axis),
    row("ref_grid_sample", OpKind::kGridSample, accepts_grid_sample, run_grid_sample),
    row("ref_roi_align", OpKind::kRoiAlign, accepts_roi_align, run_roi_align),
    row("ref_cast", OpKind::kCast, accepts_cast, run_cast),
    row("ref_quantize", OpKind::kQuantize, accepts_quantize, run_quantize),
    row("ref_dequantize", OpKind::kDequantize, accepts_dequantize, run_dequantize),
    row("ref_requantize", OpKind::kRequantize, accepts_requantize, run_requantize, kInPlace),
    row("ref_lookup", OpKind::kLookup, accepts_lookup, run_lookup, kInPlace),
    row("ref_batch_norm", OpKind::kBatchNorm, accepts_batch_norm, run_batch_norm, kInPlace),
    row("ref_shape", OpKind::kShape, accepts_shape, run_shape),
    {"ref_detection_post_process", OpKind::kDetectionPostProcess, Isa::kPortable,
     accepts_detection_post_process, cost, nullptr, prepare_detection_post_process,
     run_detection_post_process},
    {"ref_rnn", OpKind::kRnn, Isa::kPortable, accepts_rnn, cost, nullptr, prepare_recurrent,
     run_rnn},
    {"ref_gru", OpKind::kGru, Isa::kPortable, accepts_gru, cost, nullptr, prepare_recurrent,
     run_gru},
    {"ref_lstm", OpKind::kLstm, Isa::kPortable, accepts_lstm, cost, nullptr, prepare_recurrent,
     run_lstm},
    {"ref_quantized_lstm", OpKind::kQuantizedLstm, Isa::kPortable, accepts_quantized_lstm, cost,
     nullptr, prepare_quantized_lstm, run_quantized_lstm},
    row("ref_svdf", OpKind::kSvdf, accepts_svdf, run_svdf),
    row("ref_tree_ensemble", OpKind::kTreeEnsemble, accepts_tree_ensemble, run_tree_ensemble),
};

}  // namespace

std::span<const Kernel> rows() { return kRows; }

}  // namespace inferd::kernels::ref
