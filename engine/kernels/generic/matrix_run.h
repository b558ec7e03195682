// SPDX-License-Identifier: Apache-2.0
//
// The loops around an inner loop `P` (see matrix.h for the algorithm). P lives in an unnamed
// namespace of the one file that is compiled for its ISA, so every instantiation stays in that
// file: code for one ISA is never merged with another's.
//
// A quantized P provides
//   A, B                       element types of gathered rows and packed weights
//   kTile, kLanes              see matrix.h
//   convert(x, n, offset, out) out[i] = A(x[i] - offset) for int8_t and uint8_t x
//   tile<M>(args)              M <= kTile.rows rows times one panel, requantized and stored
// A float P provides kTile and tile<M>. Neither reads or writes outside of what its arguments name.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/kernels/generic/matrix.h"

namespace inferd::kernels::generic {

template <typename A, typename B, typename Out>
struct QuantizedTileArgs {
  const A* a;        // row r at a + r * a_stride
  int64_t a_stride;  // padded depth
  int64_t depth;     // padded depth
  const B* b;
  const int32_t* bias;  // bias and scale of the panel's columns
  const float* scale;
  RequantParams requant;
  Out* y;
  int64_t y_stride;
  int columns;  // of the panel that exist, 1..kTile.columns
};

struct FloatTileArgs {
  const float* a;
  int64_t a_stride;
  int64_t depth;
  const float* b;
  const float* bias;
  float low, high;
  float* y;
  int64_t y_stride;
  int columns;
};

// tile<rows>(args), rows known at run time.
template <typename P, int M, typename Args>
void run_tile(int64_t rows, const Args& args) {
  if (rows == M) {
    P::template tile<M>(args);
  } else if constexpr (M > 1) {
    run_tile<P, M - 1>(rows, args);
  }
}

// Gathers rows into `out`, one after the other, `stride` apart. `copy(x, n, out)` converts and
// `padding` is what a pixel outside of the image is.
template <typename P, typename In, typename A, typename Copy>
class Gather {
 public:
  Gather(const MatrixForm& form, const In* x, int64_t stride, A padding, const Copy& copy)
      : form_(form), x_(x), stride_(stride), padding_(padding), copy_(copy) {}

  void rows(int64_t first, int64_t count, int64_t group, A* out) const {
    if (form_.rows_are_input && stride_ == form_.depth) {
      copy_(x_ + first * form_.depth, count * form_.depth, out);
      return;
    }
    if (form_.rows_are_input) {
      for (int64_t r = first; r < first + count; ++r, out += stride_) {
        copy_(x_ + r * form_.depth, form_.depth, out);
        fill(out + form_.depth, stride_ - form_.depth, A{0});
      }
      return;
    }
    int64_t ox = first % form_.out_w;
    int64_t oy = first / form_.out_w % form_.out_h;
    int64_t image = first / form_.out_w / form_.out_h;
    for (int64_t r = 0; r < count; ++r, out += stride_) {
      window(image, oy, ox, group, out);
      fill(out + form_.depth, stride_ - form_.depth, A{0});
      if (++ox < form_.out_w) continue;
      ox = 0;
      if (++oy < form_.out_h) continue;
      oy = 0;
      ++image;
    }
  }

 private:
  static void fill(A* out, int64_t count, A value) {
    for (int64_t i = 0; i < count; ++i) out[i] = value;
  }

  void window(int64_t image, int64_t oy, int64_t ox, int64_t group, A* out) const {
    const Window2d& w = form_.window;
    const int64_t group_c = form_.in_c / form_.groups;
    const int64_t left = ox * w.stride_w - w.pad_left;
    for (int64_t ky = 0; ky < w.kernel_h; ++ky, out += w.kernel_w * group_c) {
      const int64_t iy = oy * w.stride_h - w.pad_top + ky * w.dilation_h;
      if (iy < 0 || iy >= form_.in_h) {
        fill(out, w.kernel_w * group_c, padding_);
        continue;
      }
      const In* line = x_ + (image * form_.in_h + iy) * form_.in_w * form_.in_c + group * group_c;
      if (w.dilation_w == 1 && form_.groups == 1) {
        neighbours(line, left, out);
        continue;
      }
      for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
        const int64_t ix = left + kx * w.dilation_w;
        if (ix < 0 || ix >= form_.in_w) {
          fill(out + kx * group_c, group_c, padding_);
        } else {
          copy_(line + ix * form_.in_c, group_c, out + kx * group_c);
        }
      }
    }
  }

  // kernel_w pixels side by side, from pixel `left` of the line: one copy.
  void neighbours(const In* line, int64_t left, A* out) const {
    const int64_t c = form_.in_c;
    const int64_t kernel_w = form_.window.kernel_w;
    const int64_t begin = std::clamp<int64_t>(-left, 0, kernel_w);
    const int64_t end = std::clamp<int64_t>(form_.in_w - left, begin, kernel_w);
    fill(out, begin * c, padding_);
    if (end > begin) copy_(line + (left + begin) * c, (end - begin) * c, out + begin * c);
    fill(out + end * c, (kernel_w - end) * c, padding_);
  }

  const MatrixForm& form_;
  const In* x_;
  int64_t stride_;
  A padding_;
  const Copy& copy_;
};

// Splits the work into blocks of rows, and into ranges of panels where there are too few of those
// (batch 1 of a fully connected layer is one row), and calls
//   gather(group, first_row, rows, worker) -> rows of `a`
//   multiply(group, first_row, rows, panel, a)
template <typename GatherRows, typename Multiply>
void for_each_block(const RunArgs& args, const MatrixPlan& plan, int64_t panels,
                    const GatherRows& gather, const Multiply& multiply) {
  int threads = std::min(args.pool.threads(), plan.max_workers);
  if (args.max_threads > 0) threads = std::min(threads, args.max_threads);
  const int64_t blocks = plan.form.groups * plan.blocks;
  if (blocks == 0 || panels == 0) return;
  int64_t ranges = 1;
  if (threads > 1 && blocks < 4 * threads) {
    ranges = std::min<int64_t>(panels, (4 * threads + blocks - 1) / blocks);
  }
  const auto work = [&](int64_t begin, int64_t end, int worker) {
    int64_t gathered = -1;
    decltype(gather(0, 0, 0, 0)) a{};
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / ranges;
      const int64_t group = block / plan.blocks;
      const int64_t first_row = block % plan.blocks * plan.block_rows;
      const int64_t rows = std::min(plan.block_rows, plan.form.rows - first_row);
      if (block != gathered) a = gather(group, first_row, rows, worker);
      gathered = block;
      const int64_t range = task % ranges;
      for (int64_t p = panels * range / ranges; p < panels * (range + 1) / ranges; ++p) {
        multiply(group, first_row, rows, p, a);
      }
    }
  };
  args.pool.parallel_for(blocks * ranges, 1, work, threads);
}

template <typename P, typename In, typename Out>
void run_quantized(const RunArgs& args) {
  using A = typename P::A;
  using B = typename P::B;
  const auto& packed = static_cast<const PackedQuantizedMatrix<B>&>(*args.packed);
  const auto& plan = static_cast<const MatrixPlan&>(*args.prepared);
  const MatrixForm& form = plan.form;
  const int64_t depth = packed.padded_depth;
  const auto copy = [&](const In* x, int64_t n, A* out) { P::convert(x, n, packed.a_offset, out); };
  const Gather<P, In, A, decltype(copy)> gather(form, args.input<In>(0), depth,
                                                static_cast<A>(packed.a_padding), copy);
  Out* const y = args.output<Out>(0);
  for_each_block(
      args, plan, packed.panels,
      [&](int64_t group, int64_t first_row, int64_t rows, int worker) -> const A* {
        A* out = reinterpret_cast<A*>(args.scratch + worker * plan.gather_bytes);
        gather.rows(first_row, rows, group, out);
        return out;
      },
      [&](int64_t group, int64_t first_row, int64_t rows, int64_t panel, const A* a) {
        const int64_t column = panel * P::kTile.columns;
        const int64_t padded = (group * packed.panels + panel) * P::kTile.columns;
        QuantizedTileArgs<A, B, Out> tile{
            .a = a,
            .a_stride = depth,
            .depth = depth,
            .b = packed.b.data() + padded * depth,
            .bias = packed.bias.data() + padded,
            .scale = packed.scale.data() + padded,
            .requant = packed.requant,
            .y = y + first_row * form.out_c + group * form.columns + column,
            .y_stride = form.out_c,
            .columns =
                static_cast<int>(std::min<int64_t>(P::kTile.columns, form.columns - column))};
        for (int64_t r = 0; r < rows; r += P::kTile.rows) {
          run_tile<P, P::kTile.rows>(std::min<int64_t>(P::kTile.rows, rows - r), tile);
          tile.a += P::kTile.rows * tile.a_stride;
          tile.y += P::kTile.rows * tile.y_stride;
        }
      });
}

// The rows of a table of kernels: pack, prepare and run for a quantized P.
template <typename P>
struct QuantizedMatrix {
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op) {
    return pack_quantized_matrix<typename P::B>(op, P::kTile, P::kLanes);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_matrix(op, P::kTile, sizeof(typename P::A), /*direct=*/false);
  }
  static void run(const RunArgs& args) {
    const bool unsigned_in = args.op.inputs[0].dtype == DType::kUInt8;
    const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
    if (unsigned_in) {
      unsigned_out ? run_quantized<P, uint8_t, uint8_t>(args)
                   : run_quantized<P, uint8_t, int8_t>(args);
    } else {
      unsigned_out ? run_quantized<P, int8_t, uint8_t>(args)
                   : run_quantized<P, int8_t, int8_t>(args);
    }
  }
};

template <typename P>
struct FloatMatrix {
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op) {
    return pack_float_matrix(op, P::kTile);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_matrix(op, P::kTile, sizeof(float), /*direct=*/true);
  }
  static void run(const RunArgs& args) {
    const auto& packed = static_cast<const PackedFloatMatrix&>(*args.packed);
    const auto& plan = static_cast<const MatrixPlan&>(*args.prepared);
    const MatrixForm& form = plan.form;
    const int64_t depth = packed.padded_depth;
    const float* const x = args.input<float>(0);
    float* const y = args.output<float>(0);
    const auto copy = [](const float* from, int64_t n, float* to) { std::copy_n(from, n, to); };
    const Gather<P, float, float, decltype(copy)> gather(form, x, depth, 0.F, copy);
    for_each_block(
        args, plan, packed.panels,
        [&](int64_t group, int64_t first_row, int64_t rows, int worker) -> const float* {
          if (plan.gather_bytes == 0) return x + first_row * depth;
          float* out = reinterpret_cast<float*>(args.scratch + worker * plan.gather_bytes);
          gather.rows(first_row, rows, group, out);
          return out;
        },
        [&](int64_t group, int64_t first_row, int64_t rows, int64_t panel, const float* a) {
          const int64_t column = panel * P::kTile.columns;
          const int64_t padded = (group * packed.panels + panel) * P::kTile.columns;
          FloatTileArgs tile{.a = a,
                             .a_stride = depth,
                             .depth = depth,
                             .b = packed.b.data() + padded * depth,
                             .bias = packed.bias.data() + padded,
                             .low = packed.low,
                             .high = packed.high,
                             .y = y + first_row * form.out_c + group * form.columns + column,
                             .y_stride = form.out_c,
                             .columns = static_cast<int>(
                                 std::min<int64_t>(P::kTile.columns, form.columns - column))};
          for (int64_t r = 0; r < rows; r += P::kTile.rows) {
            run_tile<P, P::kTile.rows>(std::min<int64_t>(P::kTile.rows, rows - r), tile);
            tile.a += P::kTile.rows * tile.a_stride;
            tile.y += P::kTile.rows * tile.y_stride;
          }
        });
  }
};

}  // namespace inferd::kernels::generic
