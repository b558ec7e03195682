// SPDX-License-Identifier: Apache-2.0
//
// Depthwise convolution for ISAs that add four products of uint8 and int8 to a 32-bit lane: the
// bytes of four taps are interleaved, so one instruction adds the products of all four.
//
// The input is walked as in matrix.h: in bands that hold it as uint8 with its padding written out.
// A panel is a block of 64 channels, whose weights stay in registers or the first-level cache for
// the whole band.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

// A block is 64 channels in the order that interleaving bytes gives within 128 bits: of vector v,
// lane l is channel l / 4 * 16 + v * 4 + l % 4. Taps come in quads, padded to a multiple of four:
// line by line, except that the quads of a 3x3 window are its columns (see streams()).
struct PackedByteDepthwise final : PackedWeights {
  static constexpr int kBlock = 64;
  int64_t quads = 0;
  AlignedArray<int8_t> w;       // [block][quad][vector][lane][4]; less `center`
  AlignedArray<int8_t> center;  // [block][vector][lane][4]: what all weights of a channel lack;
                                // empty where that is nothing
  AlignedArray<int32_t> bias;   // [block][vector][lane]; x's zero point folded in
  AlignedArray<float> scale;
  RequantParams requant;
  uint8_t padding = 0;  // x's zero point as uint8
  size_t bytes() const override {
    return w.bytes() + center.bytes() + bias.bytes() + scale.bytes();
  }
};

struct ByteDepthwisePlan final : Prepared {
  std::unique_ptr<MatrixPlan> bands;
  std::vector<int64_t> taps;  // where each lies from the first; padding taps repeat it
};

// Whether the last block of `channels` is at most half full: it holds its weights twice, for the
// pixels of two lines.
constexpr bool last_block_is_paired(int64_t channels) {
  const int64_t rest = channels % PackedByteDepthwise::kBlock;
  return rest > 0 && rest <= PackedByteDepthwise::kBlock / 2;
}

// 3x3 with neighbouring pixels one column apart: each column, once interleaved, serves three
// pixels.
bool streams(const Window2d& window);

// As accepts_quantized_depthwise, where each channel's weights fit in int8 once something is
// subtracted that does too.
bool accepts_byte_depthwise(const OpDesc& op);
std::unique_ptr<PackedWeights> pack_byte_depthwise(const OpDesc& op);
std::unique_ptr<Prepared> plan_byte_depthwise(const OpDesc& op, const PackedWeights*);

}  // namespace inferd::kernels::generic
