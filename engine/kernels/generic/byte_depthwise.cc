// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/byte_depthwise.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/generic/depthwise.h"
#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
namespace {

// The taps of a window as (line, column); line -1 where padded.
struct Tap {
  int64_t ky = -1;
  int64_t kx = 0;
};
std::vector<Tap> tap_order(int64_t kernel_h, int64_t kernel_w, int interleave) {
  std::vector<Tap> taps;
  if (kernel_h == 3 && kernel_w == 3 && interleave == 4) {
    for (int64_t kx = 0; kx < 3; ++kx) {
      for (int64_t ky = 0; ky < 3; ++ky) taps.push_back({ky, kx});
      taps.push_back({});
    }
    return taps;
  }
  for (int64_t ky = 0; ky < kernel_h; ++ky) {
    for (int64_t kx = 0; kx < kernel_w; ++kx) taps.push_back({ky, kx});
  }
  while (taps.size() % static_cast<size_t>(interleave) != 0) taps.push_back({});
  return taps;
}

// Where a channel's lane is among the lanes of its block.
int64_t lane_of(int64_t in_block, ByteDepthwiseTile tile) {
  if (tile.interleave == 1) return in_block;
  return in_block / 4 % 4 * (tile.block / 4) + in_block / 16 * 4 + in_block % 4;
}

// The smallest and largest weight of a channel, and 0 for a padding tap.
struct Range {
  int32_t low = 0;
  int32_t high = 0;
};
Range range_of(const WeightReader& weights, const Shape& w, int64_t channel) {
  Range range;
  for (int64_t tap = 0; tap < w[0] * w[1]; ++tap) {
    const int32_t value = weights.at(tap * w[2] + channel, channel);
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range;
}

// What to subtract from a channel's weights so that they, and its negative for a padding tap, fit
// in int8; more than 127 where nothing does.
int32_t center_of(const WeightReader& weights, const Shape& w, int64_t channel) {
  const auto [low, high] = range_of(weights, w, channel);
  return low >= -128 && high <= 127 ? 0 : low + 128;
}

}  // namespace

bool streams(const Window2d& window) {
  return window.kernel_h == 3 && window.kernel_w == 3 && window.stride_w <= 2 &&
         window.dilation_w == 1;
}

bool accepts_byte_depthwise(const OpDesc& op) {
  if (!accepts_quantized_depthwise(op)) return false;
  if (op.packed_before) return true;
  const Shape& shape = op.inputs[1].shape;
  const WeightReader weights(op.inputs[1]);
  for (int64_t c = 0; c < shape[2]; ++c) {
    if (center_of(weights, shape, c) > 127) return false;
  }
  return true;
}

bool accepts_narrow_byte_depthwise(const OpDesc& op) {
  if (!accepts_quantized_depthwise(op)) return false;
  if (op.packed_before) return true;
  const Shape& shape = op.inputs[1].shape;
  const WeightReader weights(op.inputs[1]);
  for (int64_t c = 0; c < shape[2]; ++c) {
    const Range range = range_of(weights, shape, c);
    if (range.low < -127 || range.high > 127) return false;
  }
  return true;
}

std::unique_ptr<PackedWeights> pack_byte_depthwise(const OpDesc& op, ByteDepthwiseTile tile,
                                                   StoredWeights* stored) {
  const Shape& shape = op.inputs[1].shape;
  const Operand& x = op.inputs[0];
  const WeightReader weights(op.inputs[1]);
  const std::vector<Tap> taps = tap_order(shape[0], shape[1], tile.interleave);
  const int64_t channels = shape[2];
  const auto interleave = static_cast<size_t>(tile.interleave);
  const int32_t zero = x.quantization.zero_point() - byte_offset(x.dtype, tile.lanes);
  const auto padded =
      static_cast<size_t>((channels + tile.block - 1) / tile.block * int64_t{tile.block});
  auto packed = std::make_unique<PackedByteDepthwise>();
  packed->quads = static_cast<int64_t>(taps.size() / interleave);
  packed->w = AlignedArray<int8_t>(taps.size() * padded, stored);
  packed->bias = AlignedArray<int32_t>(padded, stored);
  packed->scale = AlignedArray<float>(padded, stored);
  packed->requant = requant_params(op);
  packed->padding = zero;
  if (stored != nullptr) {
    if (!stored->empty()) packed->center = AlignedArray<int8_t>(interleave * padded, stored);
    return packed;
  }
  AlignedArray<int8_t> centers(interleave * padded);
  bool centered = true;
  const auto pack_channel = [&](int64_t c, int64_t in_block) {
    const int64_t block = c / tile.block;
    const int64_t lane = block * tile.block + lane_of(in_block, tile);
    const int32_t center = center_of(weights, shape, c);
    centered = centered && center == 0;
    int64_t sum = 0;
    for (size_t t = 0; t < taps.size(); ++t) {
      const Tap tap = taps[t];
      const int32_t value =
          tap.ky < 0 ? 0 : weights.at((tap.ky * shape[1] + tap.kx) * channels + c, c);
      sum += value;
      const int64_t quad = block * packed->quads + static_cast<int64_t>(t / interleave);
      const auto group = static_cast<size_t>(quad * tile.block + lane_of(in_block, tile));
      packed->w[group * interleave + t % interleave] = static_cast<int8_t>(value - center);
    }
    const auto i = static_cast<size_t>(lane);
    std::fill_n(&centers[interleave * i], interleave, static_cast<int8_t>(center));
    packed->bias[i] = static_cast<int32_t>(bias_at(op, c) - zero * sum);
    packed->scale[i] = requant_scale(op, c);
  };
  for (int64_t c = 0; c < channels; ++c) {
    pack_channel(c, c % tile.block);
    const bool last = c / tile.block == (channels - 1) / tile.block;
    if (last && last_block_is_paired(channels, tile.block)) {
      pack_channel(c, c % tile.block + tile.block / 2);
    }
  }
  if (!centered) packed->center = std::move(centers);
  return packed;
}

std::unique_ptr<Prepared> plan_byte_depthwise(const OpDesc& op, ByteDepthwiseTile tile) {
  const Window2d& window = op.attrs_as<Conv2dAttrs>().window;
  auto plan = std::make_unique<ByteDepthwisePlan>();
  plan->bands = plan_channel_windows(op, window, 1);
  plan->scratch_bytes = plan->bands->scratch_bytes;
  plan->line_scratch_bytes = plan->bands->line_scratch_bytes;
  const int64_t channels = plan->bands->form.in_c;
  for (const Tap tap : tap_order(window.kernel_h, window.kernel_w, tile.interleave)) {
    plan->taps.push_back(tap.ky < 0 ? 0
                                    : tap.ky * window.dilation_h * plan->bands->pitch +
                                          tap.kx * window.dilation_w * channels);
  }
  return plan;
}

}  // namespace inferd::kernels::generic
