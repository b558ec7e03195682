// SPDX-License-Identifier: Apache-2.0
//
// The loops of winograd.h around the float inner loop `P` of matrix_run.h; the transformations are
// written over small arrays of channels, of which the compiler makes vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/kernels/generic/matrix_run.h"
#include "engine/kernels/generic/winograd.h"

namespace inferd::kernels::generic {

template <typename P>
struct Winograd {
  static constexpr int kLanes = kWinogradLanes;
  static constexpr int kIn = kWinogradInput;
  static constexpr int kOut = kWinogradTile;

  struct Lanes {
    float v[kLanes];
  };

  static double cost(const OpDesc& op) { return winograd_cost(op, P::kMacsPerCycle); }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_winograd(op, P::kTile, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_winograd(op, P::kTile);
  }

  // out = B^T in, of six elements `step` apart.
  [[gnu::always_inline]] static void input_column(const Lanes* in, int step, Lanes* out) {
    for (int l = 0; l < kLanes; ++l) {
      const float x0 = in[0].v[l], x1 = in[step].v[l], x2 = in[2 * step].v[l];
      const float x3 = in[3 * step].v[l], x4 = in[4 * step].v[l], x5 = in[5 * step].v[l];
      const float even = x4 - 4.F * x2, odd = x3 - 4.F * x1;
      const float low = x4 - x2, high = 2.F * (x3 - x1);
      out[0].v[l] = 4.F * x0 - 5.F * x2 + x4;
      out[step].v[l] = even + odd;
      out[2 * step].v[l] = even - odd;
      out[3 * step].v[l] = low + high;
      out[4 * step].v[l] = low - high;
      out[5 * step].v[l] = 4.F * x1 - 5.F * x3 + x5;
    }
  }

  // out = A^T in: four of six elements.
  [[gnu::always_inline]] static void output_column(const Lanes* in, int step, Lanes* out,
                                                   int out_step) {
    for (int l = 0; l < kLanes; ++l) {
      const float s12 = in[step].v[l] + in[2 * step].v[l];
      const float d12 = in[step].v[l] - in[2 * step].v[l];
      const float s34 = in[3 * step].v[l] + in[4 * step].v[l];
      const float d34 = in[3 * step].v[l] - in[4 * step].v[l];
      out[0].v[l] = in[0].v[l] + s12 + s34;
      out[out_step].v[l] = d12 + 2.F * d34;
      out[2 * out_step].v[l] = s12 + 4.F * s34;
      out[3 * out_step].v[l] = d12 + 8.F * d34 + in[5 * step].v[l];
    }
  }

  // V of one tile: channels of product p at v[p * product_stride].
  static void transform_input(const WinogradPlan& plan, const float* image, int64_t tile, float* v,
                              int64_t product_stride) {
    const int64_t top = tile / plan.tiles_x * kOut - plan.pad_top;
    const int64_t left = tile % plan.tiles_x * kOut - plan.pad_left;
    const float* pixels[kIn * kIn];
    for (int64_t i = 0; i < kIn; ++i) {
      for (int64_t j = 0; j < kIn; ++j) {
        const int64_t y = top + i;
        const int64_t x = left + j;
        const bool inside = y >= 0 && y < plan.in_h && x >= 0 && x < plan.in_w;
        pixels[i * kIn + j] = inside ? image + (y * plan.in_w + x) * plan.in_c : plan.zeros.data();
      }
    }
    Lanes d[kIn * kIn];
    for (int64_t c = 0; c < plan.in_c; c += kLanes) {
      if (c + kLanes <= plan.in_c) {
        for (int p = 0; p < kIn * kIn; ++p) std::memcpy(d[p].v, pixels[p] + c, sizeof(d[p].v));
      } else {
        for (int p = 0; p < kIn * kIn; ++p) {
          for (int l = 0; l < kLanes; ++l) d[p].v[l] = c + l < plan.in_c ? pixels[p][c + l] : 0.F;
        }
      }
      for (int j = 0; j < kIn; ++j) input_column(d + j, kIn, d + j);
      for (int i = 0; i < kIn; ++i) input_column(d + i * kIn, 1, d + i * kIn);
      for (int p = 0; p < kIn * kIn; ++p)
        std::memcpy(v + p * product_stride + c, d[p].v, sizeof(d[p].v));
    }
  }

  // One tile of output from its products: column n of product p at m[p * product_stride + n].
  static void transform_output(const WinogradPlan& plan, const PackedWinograd& packed,
                               const float* m, int64_t product_stride, int64_t column,
                               int64_t columns, float* image, int64_t y_stride, int64_t tile) {
    const int64_t top = tile / plan.tiles_x * kOut;
    const int64_t left = tile % plan.tiles_x * kOut;
    const int64_t lines = std::min<int64_t>(kOut, plan.out_h - top);
    const int64_t pixels = std::min<int64_t>(kOut, plan.out_w - left);
    const float low = packed.low;
    const float high = packed.high;
    for (int64_t n = 0; n < columns; n += kLanes) {
      Lanes d[kIn * kIn];
      Lanes half[kOut * kIn];
      Lanes out[kOut * kOut];
      const int64_t some = std::min<int64_t>(kLanes, columns - n);
      if (some == kLanes) {
        for (int p = 0; p < kIn * kIn; ++p) {
          std::memcpy(d[p].v, m + p * product_stride + n, sizeof(d[p].v));
        }
      } else {
        for (int p = 0; p < kIn * kIn; ++p) {
          for (int l = 0; l < kLanes; ++l) {
            d[p].v[l] = l < some ? m[p * product_stride + n + l] : 0.F;
          }
        }
      }
      for (int j = 0; j < kIn; ++j) output_column(d + j, kIn, half + j, kIn);
      for (int i = 0; i < kOut; ++i) output_column(half + i * kIn, 1, out + i * kOut, 1);
      Lanes bias{};
      for (int64_t l = 0; l < some; ++l) bias.v[l] = packed.bias.data()[column + n + l];
      for (Lanes& o : out) {
        for (int l = 0; l < kLanes; ++l) {
          float value = o.v[l] + bias.v[l];
          value = value < low ? low : value;
          o.v[l] = value > high ? high : value;
        }
      }
      for (int64_t i = 0; i < lines; ++i) {
        for (int64_t j = 0; j < pixels; ++j) {
          float* const y = image + ((top + i) * plan.out_w + left + j) * y_stride + column + n;
          const float* const from = out[i * kOut + j].v;
          if (some == kLanes) {
            std::memcpy(y, from, kLanes * sizeof(float));
          } else {
            for (int64_t l = 0; l < some; ++l) y[l] = from[l];
          }
        }
      }
    }
  }

  // The products of one panel for `tiles` tiles: [product][tile][columns].
  static void multiply(const WinogradPlan& plan, const PackedWinograd& packed, int64_t panel,
                       const float* v, int64_t tiles, float* m) {
    const int64_t column = panel * P::kTile.columns;
    const int64_t width = std::min<int64_t>(P::kTile.columns, packed.sizes.padded_columns - column);
    const int64_t start = 0;
    const int64_t pieces = (tiles + P::kTile.rows - 1) / P::kTile.rows;
    const int64_t most = (tiles + pieces - 1) / pieces;
    FloatTileArgs<float> args{.rows = {.a = nullptr,
                                       .a_stride = plan.v_stride,
                                       .segments = &start,
                                       .segment_count = 1,
                                       .segment_depth = plan.in_c},
                              .part = {},
                              .b = packed.u.data() + kWinogradProducts * plan.in_c * column,
                              .bias = plan.zeros.data(),
                              .low = -kInf,
                              .high = kInf,
                              .y = nullptr,
                              .y_stride = P::kTile.columns,
                              .columns = static_cast<int>(width)};
    const int64_t b_bytes = plan.in_c * width * 4;
    for (int64_t p = 0; p < kWinogradProducts; ++p, args.b += plan.in_c * width) {
      args.rows.prefetch = reinterpret_cast<const std::byte*>(args.b) + b_bytes;
      args.rows.prefetch_step = b_bytes / (pieces * std::max<int64_t>(plan.in_c, 1));
      for (int64_t t = 0; t < tiles; t += most) {
        args.rows.a = v + (p * plan.block + t) * plan.v_stride;
        args.y = m + (p * plan.block + t) * P::kTile.columns;
        run_tile<P>(std::min(most, tiles - t), args);
        args.rows.prefetch += plan.in_c * args.rows.prefetch_step;
      }
    }
  }

  static void run(const RunArgs& args) {
    const auto& plan = static_cast<const WinogradPlan&>(*args.prepared);
    const auto& packed = static_cast<const PackedWinograd&>(*args.packed);
    const int64_t blocks = (plan.tiles + plan.block - 1) / plan.block;
    const int64_t in_image = plan.in_h * plan.in_w * plan.in_c;
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : plan.out_c;
    const int64_t out_image = plan.out_h * plan.out_w * y_stride;
    int threads = std::min(args.pool.threads(), plan.max_workers);
    if (args.max_threads > 0) threads = std::min(threads, args.max_threads);
    const auto work = [&](int64_t begin, int64_t end, int worker) {
      auto* const v = reinterpret_cast<float*>(args.scratch + worker * plan.worker_bytes);
      auto* const m =
          reinterpret_cast<float*>(args.scratch + worker * plan.worker_bytes + plan.v_bytes);
      for (int64_t task = begin; task < end; ++task) {
        const float* const x = args.input<float>(0) + task / blocks * in_image;
        float* const y = args.output<float>(0) + task / blocks * out_image;
        const int64_t first = task % blocks * plan.block;
        const int64_t tiles = std::min(plan.block, plan.tiles - first);
        for (int64_t t = 0; t < tiles; ++t) {
          transform_input(plan, x, first + t, v + t * plan.v_stride, plan.block * plan.v_stride);
        }
        for (int64_t panel = 0; panel < packed.sizes.panels; ++panel) {
          multiply(plan, packed, panel, v, tiles, m);
          const int64_t column = panel * P::kTile.columns;
          const int64_t columns = std::min<int64_t>(P::kTile.columns, plan.out_c - column);
          for (int64_t t = 0; t < tiles; ++t) {
            transform_output(plan, packed, m + t * P::kTile.columns, plan.block * P::kTile.columns,
                             column, columns, y, y_stride, first + t);
          }
        }
      }
    };
    args.pool.parallel_for(plan.batch * blocks, 1, work, threads);
  }
};

}  // namespace inferd::kernels::generic
