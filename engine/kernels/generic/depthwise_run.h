// SPDX-License-Identifier: Apache-2.0
//
// The loops of depthwise.h around an inner loop `P`; see matrix_run.h for why P is a template
// parameter from an unnamed namespace.
//
// P provides
//   depthwise(args)      some output channels of one pixel
//   kBlock               channels of a block of weights
//   kDepthwiseChannels   how many channels it takes at once where there are that many, a multiple
//                        of kBlock
//   kMasksChannels       whether it reads no more than args.channels; otherwise a whole block is
//                        readable at all times
// A float P may provide depthwise_pixels(args): a block of channels of some pixels in a row, taps
// all inside of the image.
// A quantized P provides kDepthwiseInterleave too: how many neighbouring taps of a weight lie side
// by side.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/kernels/generic/depthwise.h"
#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {

template <typename In, typename Out>
struct QuantizedDepthwiseArgs {
  const In* const* taps;  // channel c of tap t at taps[t][offset + c]
  int64_t offset;
  int64_t tap_count;  // a multiple of the interleave
  const int16_t* w;   // the next block's weights are tap_count * kBlock further
  const int32_t* bias;
  const float* scale;
  RequantParams requant;
  Out* y;
  int channels;  // to store: 1..P::kBlock or P::kDepthwiseChannels
};

struct FloatDepthwiseArgs {
  const float* const* taps;
  int64_t offset;
  int64_t tap_count;
  const float* w;
  const float* bias;
  float low, high;
  float* y;
  int channels;
};

struct FloatDepthwisePixelsArgs {
  const float* const* taps;  // of the first pixel
  int64_t offset;
  int64_t tap_count;
  int64_t step;   // from a tap of one pixel to the same of the next
  int64_t count;  // pixels
  const float* w;
  const float* bias;
  float low, high;
  float* y;
  int64_t y_step;
  int channels;  // 1..P::kBlock
};

// Points taps[0, plan.taps) at the input pixels under output pixel (oy, ox) of one image.
template <typename P, typename In>
void point_taps(const DepthwisePlan& plan, const In* image, int64_t oy, int64_t ox,
                const In** taps) {
  const Window2d& w = plan.window;
  const In* const padding = reinterpret_cast<const In*>(plan.padding.data());
  const In** const end = taps + plan.taps;
  for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
    const int64_t iy = oy * w.stride_h - w.pad_top + ky * w.dilation_h;
    const bool inside_y = iy >= 0 && iy < plan.in_h;
    for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
      const int64_t ix = ox * w.stride_w - w.pad_left + kx * w.dilation_w;
      const bool inside = inside_y && ix >= 0 && ix < plan.in_w;
      *taps++ = inside ? image + (iy * plan.in_w + ix) * plan.channels : padding;
    }
  }
  while (taps != end) *taps++ = padding;  // their weights are zero
}

// The output pixels [first, last] of a row whose taps all lie between the image's left and right
// edge.
template <typename P>
struct InnerPixels {
  int64_t first, last;
  explicit InnerPixels(const DepthwisePlan& plan) {
    const Window2d& w = plan.window;
    const int64_t reach = int64_t{w.kernel_w - 1} * w.dilation_w;
    first = (w.pad_left + w.stride_w - 1) / w.stride_w;
    const int64_t room = plan.in_w - 1 - reach + w.pad_left;
    last = room < 0 ? -1 : room / w.stride_w;
  }
};

struct NoPixels {};

// Calls block(taps, offset of the block's channels in them, first channel, channels, y) for every
// block of every output pixel. With `pixels`, those of a row that have all their columns go to
// pixels(taps, first tap inside, taps inside, first channel, channels, count, y) instead.
template <typename P, typename In, typename Out, typename Block, typename Pixels = NoPixels>
void for_each_depthwise_block(const RunArgs& args, const Block& block, const Pixels& pixels = {}) {
  const auto& plan = static_cast<const DepthwisePlan&>(*args.prepared);
  const In* const x = args.input<In>(0);
  Out* const y = args.output<Out>(0);
  constexpr int kBlock = P::kBlock;
  const int64_t whole = plan.channels / kBlock * kBlock;
  const int64_t rest = plan.channels - whole;
  const int64_t wide = plan.channels / P::kDepthwiseChannels * P::kDepthwiseChannels;
  const Window2d& window = plan.window;
  const int64_t reach_h = int64_t{window.kernel_h - 1} * window.dilation_h;
  const int64_t real_taps = int64_t{window.kernel_h} * window.kernel_w;
  const InnerPixels<P> inner(plan);
  const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : plan.channels;
  const auto work = [&](int64_t begin, int64_t end, int worker) {
    const In** const taps = reinterpret_cast<const In**>(args.scratch + worker * plan.worker_bytes);
    const In** const copies = taps + plan.taps;
    In* const copied = reinterpret_cast<In*>(copies + plan.taps);
    if constexpr (!P::kMasksChannels) {
      for (int64_t t = 0; t < plan.taps; ++t) copies[t] = copied + t * kBlock;
      std::memset(copied, 0, static_cast<size_t>(plan.taps * kBlock) * sizeof(In));
    }
    for (int64_t row = begin; row < end; ++row) {
      const In* const image = x + row / plan.out_h * plan.in_h * plan.in_w * plan.channels;
      const int64_t oy = row % plan.out_h;
      const int64_t top = oy * window.stride_h - window.pad_top;
      const bool inner_row = top >= 0 && top + reach_h < plan.in_h;
      Out* pixel = y + row * plan.out_w * y_stride;
      for (int64_t ox = 0; ox < plan.out_w; ++ox, pixel += y_stride) {
        if constexpr (!std::is_same_v<Pixels, NoPixels>) {
          if (ox == inner.first && ox <= inner.last) {
            const int64_t count = std::min(inner.last + 1, plan.out_w) - ox;
            point_taps<P>(plan, image, oy, ox, taps);
            // Lines of the window that lie in the image.
            const int64_t dilation = window.dilation_h;
            const int64_t above = std::max<int64_t>((dilation - 1 - top) / dilation, 0);
            const int64_t inside =
                std::min<int64_t>(window.kernel_h, (plan.in_h - 1 - top + dilation) / dilation);
            const int64_t taps_inside = std::max<int64_t>(inside - above, 0) * window.kernel_w;
            for (int64_t c = 0; c < plan.channels; c += kBlock) {
              pixels(taps, above * window.kernel_w, taps_inside, c,
                     static_cast<int>(std::min<int64_t>(kBlock, plan.channels - c)), count,
                     pixel + c);
            }
            ox += count - 1;
            pixel += (count - 1) * y_stride;
            continue;
          }
        }
        if (inner_row && ox > inner.first && ox <= inner.last) {
          for (int64_t t = 0; t < real_taps; ++t) taps[t] += window.stride_w * plan.channels;
        } else {
          point_taps<P>(plan, image, oy, ox, taps);
        }
        int64_t c = 0;
        for (; c < wide; c += P::kDepthwiseChannels) {
          block(taps, c, c, P::kDepthwiseChannels, pixel + c);
        }
        for (; c < whole; c += kBlock) block(taps, c, c, kBlock, pixel + c);
        if (rest == 0) continue;
        if constexpr (P::kMasksChannels) {
          block(taps, whole, whole, static_cast<int>(rest), pixel + whole);
          continue;
        }
        for (int64_t t = 0; t < plan.taps; ++t) {
          std::memcpy(copied + t * kBlock, taps[t] + whole, static_cast<size_t>(rest) * sizeof(In));
        }
        block(copies, 0, whole, static_cast<int>(rest), pixel + whole);
      }
    }
  };
  int threads = std::min(args.pool.threads(), plan.max_workers);
  if (args.max_threads > 0) threads = std::min(threads, args.max_threads);
  args.parallel_for(plan.batch * plan.out_h, 1, work, threads);
}

template <typename P>
struct QuantizedDepthwise {
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_quantized_depthwise(op, P::kBlock, P::kDepthwiseInterleave, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_depthwise(op, P::kDepthwiseInterleave, P::kBlock);
  }
  template <typename In, typename Out>
  static void run_typed(const RunArgs& args) {
    const auto& packed = static_cast<const PackedQuantizedDepthwise&>(*args.packed);
    const int64_t taps = static_cast<const DepthwisePlan&>(*args.prepared).taps;
    for_each_depthwise_block<P, In, Out>(
        args, [&](const In* const* tap, int64_t offset, int64_t channel, int channels, Out* y) {
          P::depthwise(QuantizedDepthwiseArgs<In, Out>{.taps = tap,
                                                       .offset = offset,
                                                       .tap_count = taps,
                                                       .w = packed.w.data() + channel * taps,
                                                       .bias = packed.bias.data() + channel,
                                                       .scale = packed.scale.data() + channel,
                                                       .requant = packed.requant,
                                                       .y = y,
                                                       .channels = channels});
        });
  }
  static void run(const RunArgs& args) { run_8bit<QuantizedDepthwise>(args); }
};

template <typename P>
struct FloatDepthwise {
  // A block with few channels costs as much as a full one.
  static double cost(const OpDesc& op) {
    const auto channels = static_cast<double>(op.outputs[0].shape.back());
    const auto computed = static_cast<double>(round_up(op.outputs[0].shape.back(), P::kBlock));
    return macs(op) / P::kMacsPerCycle * (computed / channels);
  }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_float_depthwise(op, P::kBlock, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_depthwise(op, 1, P::kMasksChannels ? 0 : P::kBlock);
  }
  static void run(const RunArgs& args) {
    const auto& packed = static_cast<const PackedFloatDepthwise&>(*args.packed);
    const auto& plan = static_cast<const DepthwisePlan&>(*args.prepared);
    const int64_t taps = plan.taps;
    const auto block = [&](const float* const* tap, int64_t offset, int64_t channel, int channels,
                           float* y) {
      P::depthwise(FloatDepthwiseArgs{.taps = tap,
                                      .offset = offset,
                                      .tap_count = taps,
                                      .w = packed.w.data() + channel * taps,
                                      .bias = packed.bias.data() + channel,
                                      .low = packed.low,
                                      .high = packed.high,
                                      .y = y,
                                      .channels = channels});
    };
    if constexpr (requires { &P::depthwise_pixels; }) {
      const int64_t step = plan.window.stride_w * plan.channels;
      const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : plan.channels;
      for_each_depthwise_block<P, float, float>(
          args, block,
          [&](const float* const* tap, int64_t first, int64_t count, int64_t channel, int channels,
              int64_t pixels, float* y) {
            P::depthwise_pixels({.taps = tap + first,
                                 .offset = channel,
                                 .tap_count = count,
                                 .step = step,
                                 .count = pixels,
                                 .w = packed.w.data() + channel * taps + first * P::kBlock,
                                 .bias = packed.bias.data() + channel,
                                 .low = packed.low,
                                 .high = packed.high,
                                 .y = y,
                                 .y_step = y_stride,
                                 .channels = channels});
          });
    } else {
      for_each_depthwise_block<P, float, float>(args, block);
    }
  }
};

}  // namespace inferd::kernels::generic
