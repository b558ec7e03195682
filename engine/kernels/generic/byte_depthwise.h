// SPDX-License-Identifier: Apache-2.0
//
// Depthwise convolution for ISAs that multiply bytes. Where they add four products to a 32-bit
// lane, the bytes of four taps are interleaved, so one instruction adds the products of all four.
//
// The input is walked as in matrix.h: in bands that hold it as bytes with its padding written out.
// A panel is a block of channels, whose weights stay in registers or the first-level cache for the
// whole band.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

// What an inner loop computes at once. With an interleave of four, a block is four vectors of
// 32-bit lanes in the order that interleaving bytes gives within 128 bits: of vector v, lane l is
// channel l / 4 * 16 + v * 4 + l % 4. Taps come in quads then, padded to a multiple of four: line
// by line, except that the quads of a 3x3 window are its columns (see streams()). With an
// interleave of one, channels and taps are in order.
struct ByteDepthwiseTile {
  int block = 64;  // channels
  int interleave = 4;
  Lanes lanes = Lanes::kU8S8;  // or kS8S8
};

struct PackedByteDepthwise final : PackedWeights {
  int64_t quads = 0;            // single taps with an interleave of one
  AlignedArray<int8_t> w;       // [block][quad][vector][lane][interleave]; less `center`
  AlignedArray<int8_t> center;  // [block][vector][lane][interleave]: what all weights of a channel
                                // lack; empty where that is nothing
  AlignedArray<int32_t> bias;   // [block][vector][lane]; x's zero point folded in
  AlignedArray<float> scale;
  RequantParams requant;
  int32_t padding = 0;  // x's zero point in the band
  std::vector<std::span<const std::byte>> arrays() const override {
    return {w.as_bytes(), bias.as_bytes(), scale.as_bytes(), center.as_bytes()};
  }
};

struct ByteDepthwisePlan final : Prepared {
  std::unique_ptr<MatrixPlan> bands;
  std::vector<int64_t> taps;  // where each lies from the first; padding taps repeat it
};

// Whether the last block of `channels` is at most half full: it holds its weights twice, for the
// pixels of two lines.
constexpr bool last_block_is_paired(int64_t channels, int64_t block) {
  const int64_t rest = channels % block;
  return rest > 0 && rest <= block / 2;
}

// 3x3 with neighbouring pixels one or two columns apart: a column, once interleaved, serves all
// pixels that it is under.
bool streams(const Window2d& window);

// As accepts_quantized_depthwise, where each channel's weights fit in int8 once something is
// subtracted that does too.
bool accepts_byte_depthwise(const OpDesc& op);
// As accepts_quantized_depthwise, where all weights less their zero point are -127..127: two
// products with int8 fit in int16 then.
bool accepts_narrow_byte_depthwise(const OpDesc& op);
std::unique_ptr<PackedWeights> pack_byte_depthwise(const OpDesc& op, ByteDepthwiseTile tile,
                                                   StoredWeights* stored);
std::unique_ptr<Prepared> plan_byte_depthwise(const OpDesc& op, ByteDepthwiseTile tile);

}  // namespace inferd::kernels::generic
