// SPDX-License-Identifier: Apache-2.0
//
// The reference kernels, one pair of functions per operator, and their rows.
#pragma once

#include <memory>
#include <span>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::ref {

std::span<const Kernel> rows();

#define INFERD_REF_KERNEL(name)       \
  bool accepts_##name(const OpDesc&); \
  void run_##name(const RunArgs&)
INFERD_REF_KERNEL(conv2d);
INFERD_REF_KERNEL(depthwise_conv2d);
INFERD_REF_KERNEL(conv_transpose2d);
INFERD_REF_KERNEL(fully_connected);
INFERD_REF_KERNEL(matmul);
INFERD_REF_KERNEL(binary);
INFERD_REF_KERNEL(compare);
INFERD_REF_KERNEL(select);
INFERD_REF_KERNEL(unary);
INFERD_REF_KERNEL(clamp);
INFERD_REF_KERNEL(prelu);
INFERD_REF_KERNEL(random);
INFERD_REF_KERNEL(batch_norm);
INFERD_REF_KERNEL(lookup);
INFERD_REF_KERNEL(max_pool2d);
INFERD_REF_KERNEL(average_pool2d);
INFERD_REF_KERNEL(max_pool_indices);
INFERD_REF_KERNEL(reduce);
INFERD_REF_KERNEL(arg_max);
INFERD_REF_KERNEL(cum_sum);
INFERD_REF_KERNEL(softmax);
INFERD_REF_KERNEL(normalize);
INFERD_REF_KERNEL(local_response_norm);
INFERD_REF_KERNEL(determinant);
INFERD_REF_KERNEL(concat);
INFERD_REF_KERNEL(slice);
INFERD_REF_KERNEL(trim);
INFERD_REF_KERNEL(pad);
INFERD_REF_KERNEL(reshape);
INFERD_REF_KERNEL(transpose);
INFERD_REF_KERNEL(strided_copy);
INFERD_REF_KERNEL(expand);
INFERD_REF_KERNEL(tile);
INFERD_REF_KERNEL(reverse_sequence);
INFERD_REF_KERNEL(trilu);
INFERD_REF_KERNEL(gather);
INFERD_REF_KERNEL(gather_elements);
INFERD_REF_KERNEL(gather_nd);
INFERD_REF_KERNEL(scatter_elements);
INFERD_REF_KERNEL(scatter_nd);
INFERD_REF_KERNEL(update_slice);
INFERD_REF_KERNEL(range);
INFERD_REF_KERNEL(one_hot);
INFERD_REF_KERNEL(top_k);
INFERD_REF_KERNEL(non_zero);
INFERD_REF_KERNEL(unique);
INFERD_REF_KERNEL(non_max_suppression);
INFERD_REF_KERNEL(shape);
INFERD_REF_KERNEL(resize);
INFERD_REF_KERNEL(resize_axis);
INFERD_REF_KERNEL(grid_sample);
INFERD_REF_KERNEL(roi_align);
INFERD_REF_KERNEL(cast);
INFERD_REF_KERNEL(quantize);
INFERD_REF_KERNEL(dequantize);
INFERD_REF_KERNEL(requantize);
INFERD_REF_KERNEL(detection_post_process);
INFERD_REF_KERNEL(rnn);
INFERD_REF_KERNEL(gru);
INFERD_REF_KERNEL(lstm);
INFERD_REF_KERNEL(quantized_lstm);
INFERD_REF_KERNEL(svdf);
INFERD_REF_KERNEL(tree_ensemble);
#undef INFERD_REF_KERNEL
std::unique_ptr<Prepared> prepare_determinant(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_detection_post_process(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_top_k(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_unique(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_non_max_suppression(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_recurrent(const OpDesc&, const PackedWeights*);
std::unique_ptr<Prepared> prepare_quantized_lstm(const OpDesc&, const PackedWeights*);

}  // namespace inferd::kernels::ref
