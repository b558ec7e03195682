// SPDX-License-Identifier: Apache-2.0
//
// Depthwise convolution with one output channel for each input channel: channels across lanes, one
// pointer for each tap, any kernel, stride and dilation.
//
// A tap outside of the image points to a row of padding pixels, so the inner loop knows no borders.
// Channels are computed in blocks of P::kBlock. The last block, when it is not whole, reads from
// copies of its taps, unless the inner loop masks its loads; nothing beyond the tensor is touched.
//
// This file holds what is decided before the first run; depthwise_run.h holds the loops.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

struct PackedQuantizedDepthwise final : PackedWeights {
  AlignedArray<int16_t> w;  // less their zero point: [block][tap / interleave][channel][interleave]
  AlignedArray<int32_t> bias;  // x's zero point folded in: x enters as stored
  AlignedArray<float> scale;
  RequantParams requant;
  std::vector<std::span<const std::byte>> arrays() const override {
    return {w.as_bytes(), bias.as_bytes(), scale.as_bytes()};
  }
};

struct PackedFloatDepthwise final : PackedWeights {
  AlignedArray<float> w;  // [block][tap][channel]
  AlignedArray<float> bias;
  float low = 0.F;
  float high = 0.F;
  std::vector<std::span<const std::byte>> arrays() const override {
    return {w.as_bytes(), bias.as_bytes()};
  }
};

struct DepthwisePlan final : Prepared {
  int64_t batch = 0, in_h = 0, in_w = 0, out_h = 0, out_w = 0, channels = 0;
  Window2d window;
  int64_t taps = 0;                // kernel_h * kernel_w, rounded up to the interleave
  std::vector<std::byte> padding;  // one padding pixel
  int64_t worker_bytes = 0;        // of scratch for each worker
  int max_workers = 1;
};

bool accepts_quantized_depthwise(const OpDesc& op);  // types as accepts_quantized_matrix
bool accepts_float_depthwise(const OpDesc& op);

std::unique_ptr<PackedWeights> pack_quantized_depthwise(const OpDesc& op, int block, int interleave,
                                                        StoredWeights* stored);
std::unique_ptr<PackedWeights> pack_float_depthwise(const OpDesc& op, int block,
                                                    StoredWeights* stored);
// `copied`: channels to hold of each tap of the last block, 0 when it is read in place.
std::unique_ptr<Prepared> plan_depthwise(const OpDesc& op, int interleave, int copied);

}  // namespace inferd::kernels::generic
