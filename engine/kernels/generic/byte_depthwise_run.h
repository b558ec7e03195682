// SPDX-License-Identifier: Apache-2.0
//
// The loops of byte_depthwise.h around an inner loop `P`; see matrix_run.h for why P is a template
// parameter from an unnamed namespace. A whole block of channels of any pixel is readable, where it
// is less than 64. P provides
//   A, convert(x, n, offset, out) as in matrix_run.h
//   kTile                         see byte_depthwise.h
//   pixels<Paired, Streams>(args) a block of channels of a line of pixels, or of two lines
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/kernels/generic/byte_depthwise.h"
#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels::generic {

template <typename Out, typename A = uint8_t>
struct ByteDepthwiseArgs {
  const A* a[2];  // the first pixel's window; the second is of the line below, when paired
  int64_t pixel_stride;
  int64_t column_stride;  // from a pixel's column to the next
  int64_t line_pitch;     // from a tap to the one below
  const int64_t* taps;    // interleave * quads
  int64_t quads;
  const int8_t* w;
  const int8_t* center;  // null where there is none
  const int32_t* bias;
  const float* scale;
  RequantParams requant;
  Out* y[2];
  int64_t y_stride;
  int64_t count;  // of pixels in a line
  int channels;   // 1..block, 1..block / 2 when paired
};

// A line of 3x3 windows, neighbouring pixels one or two columns apart. Block provides
//   column(offset)                        what the sums need of a column of the window
//   pixel3x3(pixel, left, middle, right)  a pixel from its three columns
template <typename Block, typename Args>
[[gnu::always_inline]] inline void stream(const Block& block, const Args& t) {
  const int64_t count = t.count;
  const int64_t stride = t.column_stride;
  if (t.pixel_stride != stride) {
    auto left = block.column(0);
    for (int64_t i = 0; i < count; ++i) {
      const auto right = block.column((2 * i + 2) * stride);
      block.pixel3x3(i, left, block.column((2 * i + 1) * stride), right);
      left = right;
    }
    return;
  }
  auto a = block.column(0);
  auto b = block.column(stride);
  int64_t next = 2 * stride;
  for (int64_t i = 0; i < count; i += 3, next += 3 * stride) {
    const auto c = block.column(next);
    block.pixel3x3(i, a, b, c);
    if (i + 1 == count) break;
    a = block.column(next + stride);
    block.pixel3x3(i + 1, b, c, a);
    if (i + 2 == count) break;
    b = block.column(next + 2 * stride);
    block.pixel3x3(i + 2, c, a, b);
  }
}

// A line of any windows, four taps at a time. Quads interleaves four loads; Block provides Acc, a
// vector of sums, load_bias(acc), load(offset), add(quads, quad, acc) and store(pixel, acc).
template <typename Quads, typename Block, typename Args>
[[gnu::always_inline]] inline void any_window(const Block& block, const Args& t) {
  const int64_t quads = t.quads;
  for (int64_t i = 0; i < t.count; ++i) {
    const int64_t first = i * t.pixel_stride;
    typename Block::Acc acc[4];
    block.load_bias(acc);
    for (int64_t q = 0; q < quads; ++q) {
      const int64_t* tap = t.taps + 4 * q;
      block.add(Quads(block.load(first + tap[0]), block.load(first + tap[1]),
                      block.load(first + tap[2]), block.load(first + tap[3])),
                q, acc);
    }
    block.store(i, acc);
  }
}

template <typename P>
struct ByteDepthwise {
  using A = typename P::A;
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_byte_depthwise(op, P::kTile, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_byte_depthwise(op, P::kTile);
  }

  template <typename In, typename Out>
  static void run_typed(const RunArgs& args) {
    constexpr int kBlock = P::kTile.block;
    constexpr int kInterleave = P::kTile.interleave;
    const auto& packed = static_cast<const PackedByteDepthwise&>(*args.packed);
    const auto& own = static_cast<const ByteDepthwisePlan&>(*args.prepared);
    const MatrixPlan& plan = *own.bands;
    const int64_t channels = plan.form.in_c;
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : channels;
    const int64_t blocks = (channels + kBlock - 1) / kBlock;
    const bool streaming = kInterleave == 4 && streams(plan.form.window);
    const int32_t offset = byte_offset(args.op.inputs[0].dtype, P::kTile.lanes);
    const auto convert = [&](const In* from, int64_t n, A* out) {
      P::convert(from, n, offset, out);
    };
    const BandCopy<P, In, A, decltype(convert)> copy(plan, args.input<In>(0),
                                                     static_cast<A>(packed.padding), convert);
    const Split split =
        split_of<P>(args, plan, blocks, /*rows=*/1, /*weight_bytes=*/0, 1, cost(args.op));
    for_each_band<P, A>(
        args, plan, split, blocks, args.input<In>(0), copy, [](const Band<A>&) {},
        [&](const Band<A>& band, int64_t block) {
          const int64_t channel = block * kBlock;
          const int64_t center = packed.center.bytes() == 0 ? 0 : kInterleave * channel;
          ByteDepthwiseArgs<Out, A> t{
              .a = {},
              .pixel_stride = plan.row_stride,
              .column_stride = channels,
              .line_pitch = plan.form.window.dilation_h * plan.pitch,
              .taps = own.taps.data(),
              .quads = packed.quads,
              .w = packed.w.data() + kInterleave * channel * packed.quads,
              .center = packed.center.bytes() == 0 ? nullptr : packed.center.data() + center,
              .bias = packed.bias.data() + channel,
              .scale = packed.scale.data() + channel,
              .requant = packed.requant,
              .y = {},
              .y_stride = y_stride,
              .count = band.rows,
              .channels = static_cast<int>(std::min<int64_t>(kBlock, channels - channel))};
          const bool paired = block == blocks - 1 && last_block_is_paired(channels, kBlock);
          const int64_t step = paired ? 2 : 1;
          for (int64_t line = 0; line < band.lines; line += step) {
            // A last line without one below it is computed twice.
            const int64_t lines[2] = {line, std::min(line + 1, band.lines - 1)};
            for (int i = 0; i < 2; ++i) {
              t.a[i] = band.a + lines[i] * plan.line_stride + channel;
              t.y[i] = args.output<Out>(0) + (band.first_row + lines[i] * band.rows) * y_stride +
                       channel;
            }
            if (paired) {
              streaming ? P::template pixels<true, true>(t) : P::template pixels<true, false>(t);
            } else {
              streaming ? P::template pixels<false, true>(t) : P::template pixels<false, false>(t);
            }
          }
        });
  }
  static void run(const RunArgs& args) { run_8bit<ByteDepthwise>(args); }
};

}  // namespace inferd::kernels::generic
