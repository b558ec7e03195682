// SPDX-License-Identifier: Apache-2.0
//
// The loops around an inner loop `P` (see matrix.h for the algorithm). P lives in an unnamed
// namespace of the one file that is compiled for its ISA, so every instantiation stays in that
// file: code for one ISA is never merged with another's.
//
// A quantized P provides
//   A, B                       element types of the band and of packed weights
//   kTile, kLanes              see matrix.h
//   convert(x, n, offset, out) out[i] = A(x[i] - offset) for int8_t and uint8_t x
//   tile<M, N>(args)           M <= kTile.rows rows times one panel of N columns (kTile.columns or
//                              kTile.narrow), requantized and stored
//   kSplitsDepth               whether tile() goes by args.part
// A float P provides
//   kTile, kSplitsDepth, tile<M, N>   as above; weights are float or Half
//   widen(x, n, out)                  out[i] = float(x[i]) for Half x, n a multiple of kTile.narrow
// Neither writes outside of what its arguments name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {

// M rows of `a`: element k of segment s of row r at a[r * a_stride + segments[s] + k].
template <typename A>
struct Rows {
  const A* a;
  int64_t a_stride;
  const int64_t* segments;
  int64_t segment_count;
  int64_t segment_depth;  // padded: what lies beyond a segment meets weights that stand for zero
  // Weights to fetch meanwhile: at each step in depth, the line at `prefetch`, which then moves on
  // by so many bytes.
  const std::byte* prefetch = nullptr;
  int64_t prefetch_step = 0;
};

// A panel too large for the first-level cache is multiplied in pieces of depth, each with all rows
// of the band; sums wait in between.
template <typename Sum>
struct Part {
  Sum* sums = nullptr;  // of the tile's first row, N for each row; read unless first, written
                        // unless last
  bool first = true;
  bool last = true;
};

template <typename A, typename B, typename Out>
struct QuantizedTileArgs {
  Rows<A> rows;
  Part<int32_t> part;
  const B* b;
  const int32_t* bias;  // bias and scale of the panel's columns
  const float* scale;
  const int32_t* row_bias;  // one more addend for each row, or null
  RequantParams requant;
  Out* y;
  int64_t y_stride;
  int columns;  // of the panel that exist, 1..N
};

template <typename B>
struct FloatTileArgs {
  Rows<float> rows;
  Part<float> part;
  const B* b;
  const float* bias;
  float low, high;
  float* y;
  int64_t y_stride;
  int columns;
};

// tile<rows, N>(args), rows known at run time.
template <typename P, int M, int N, typename Args>
void run_tile(int64_t rows, const Args& args) {
  if (rows == M) {
    P::template tile<M, N>(args);
  } else if constexpr (M > 1) {
    run_tile<P, M - 1, N>(rows, args);
  }
}

template <typename P, typename Args>
void run_tile(int64_t rows, const Args& args) {
  if constexpr (P::kTile.narrow < P::kTile.columns) {
    if (args.columns <= P::kTile.narrow)
      return run_tile<P, P::kTile.rows, P::kTile.narrow>(rows, args);
  }
  run_tile<P, P::kTile.rows, P::kTile.columns>(rows, args);
}

// Copies the band under output lines [first, first + lines) of an image. `copy(x, n, out)` converts
// and `padding` is what a pixel outside of the image is.
template <typename P, typename In, typename A, typename Copy>
class BandCopy {
 public:
  BandCopy(const MatrixPlan& plan, const In* x, A padding, const Copy& copy)
      : plan_(plan), form_(plan.form), x_(x), padding_(padding), copy_(copy) {}

  void lines(int64_t image, int64_t first, int64_t lines, int64_t group, A* out) const {
    if (form_.rows_are_input) {
      if (plan_.pitch == form_.depth)
        return copy_(x_ + first * form_.depth, lines * form_.depth, out);
      for (int64_t i = 0; i < lines; ++i) {
        copy_(x_ + (first + i) * form_.depth, form_.depth, out + i * plan_.pitch);
      }
      return;
    }
    const Window2d& w = form_.window;
    const int64_t top = first * w.stride_h - w.pad_top;
    const int64_t count = band_input_lines(plan_, lines);
    for (int64_t i = 0; i < count; ++i, out += plan_.pitch) {
      const int64_t iy = top + i * plan_.step_h;
      if (iy < 0 || iy >= form_.in_h) {
        std::fill_n(out, plan_.pitch, padding_);
      } else {
        line(x_ + (image * form_.in_h + iy) * form_.in_w * form_.in_c, group, out);
      }
    }
  }

 private:
  void line(const In* in, int64_t group, A* out) const {
    const int64_t channels = form_.in_c / form_.groups;
    const int64_t pixels = plan_.pitch / channels;
    const int64_t step = plan_.step_w;
    const int64_t left = -int64_t{form_.window.pad_left};
    // Band pixels [begin, end) lie in the image.
    const int64_t begin = std::clamp<int64_t>((-left + step - 1) / step, 0, pixels);
    const int64_t end = std::clamp<int64_t>((form_.in_w - left + step - 1) / step, begin, pixels);
    std::fill_n(out, begin * channels, padding_);
    const In* from = in + (left + begin * step) * form_.in_c + group * channels;
    if (form_.groups == 1 && step == 1) {
      copy_(from, (end - begin) * channels, out + begin * channels);
    } else {
      for (int64_t p = begin; p < end; ++p, from += step * form_.in_c) {
        copy_(from, channels, out + p * channels);
      }
    }
    std::fill_n(out + end * channels, (pixels - end) * channels, padding_);
  }

  const MatrixPlan& plan_;
  const MatrixForm& form_;
  const In* x_;
  A padding_;
  const Copy& copy_;
};

// A band ready for multiplication: `lines` of `rows` rows, which are the output's rows from
// `first_row`.
template <typename A>
struct Band {
  const A* a;
  int32_t* sums;    // scratch for one number for each row
  std::byte* part;  // scratch for the sums of one panel
  float* wide;      // scratch for a widened panel
  int64_t group;
  int64_t first_row;
  int64_t lines;
  int64_t rows;
};

// The output lines of a run, counted as the plan does, where single rows may be lines.
struct LineSpan {
  int64_t first_image = 0, images = 0;
  int64_t first = 0, count = 0;  // of each image
};
template <typename P>
LineSpan lines_of(const RunArgs& args, const MatrixPlan& plan) {
  const MatrixForm& form = plan.form;
  const int64_t all = form.rows_are_input ? form.rows : form.out_h;
  if (args.lines == nullptr) return {0, plan.images, 0, all};
  const LineRange& lines = *args.lines;
  if (!form.rows_are_input) return {lines.image, 1, lines.begin, lines.end - lines.begin};
  const int64_t above = lines.image * form.out_h;
  return {0, 1, (above + lines.begin) * form.out_w, (lines.end - lines.begin) * form.out_w};
}

// How the work is split over threads.
struct Split {
  int threads = 1;
  int64_t band_lines = 0;  // at most the plan's
  int64_t bands = 0;       // of an image
  int64_t ranges = 1;      // of panels
};
// `rows`: of a tile; `cycles`: about how long it takes on one thread.
template <typename P>
Split split_of(const RunArgs& args, const MatrixPlan& plan, int64_t panels, int64_t rows,
               int64_t weight_bytes, int64_t element_bytes, double cycles) {
  Split split{.threads = 1, .band_lines = plan.band_lines, .bands = plan.bands, .ranges = 1};
  if (args.lines != nullptr) {
    const int64_t lines = lines_of<P>(args, plan).count;
    split.bands = (lines + plan.band_lines - 1) / plan.band_lines;
    split.band_lines = round_up((lines + split.bands - 1) / split.bands, plan.merged ? rows : 1);
    return split;
  }
  int threads = std::min(args.pool.threads(), plan.max_workers);
  if (args.max_threads > 0) threads = std::min(threads, args.max_threads);
  // Few rows wait for their weights, which come from further away than the first-level cache.
  constexpr double kBytesPerCycle = 16;
  cycles = std::max(cycles, static_cast<double>(weight_bytes) / kBytesPerCycle);
  // Waking another thread and reading what it wrote costs some microseconds.
  constexpr double kWorthwhileCycles = 6000;
  threads = std::min(threads, static_cast<int>(std::min(cycles / kWorthwhileCycles, 256.)));
  if (threads <= 1) return split;
  split.threads = threads;
  // By lines where the activations are the larger part: each thread reads what it has written
  // itself in the layer before. By panels where the weights are: each reads only its own.
  const MatrixForm& form = plan.form;
  const int64_t lines = form.rows_are_input ? form.rows : form.out_h;
  const int64_t images = plan.images * form.groups;
  const int64_t activation_bytes =
      (form.rows * form.out_c + plan.images * form.in_h * form.in_w * form.in_c) * element_bytes;
  const bool by_lines = activation_bytes >= weight_bytes || panels < threads;
  if (by_lines && images < threads) {
    const int64_t step = form.rows_are_input ? rows : 1;
    const int64_t share = (lines * images + threads - 1) / threads;
    split.band_lines = std::min(plan.band_lines, (share + step - 1) / step * step);
    split.bands = (lines + split.band_lines - 1) / split.band_lines;
  }
  if (images * split.bands < threads) {
    split.ranges =
        std::min<int64_t>(panels, (threads + images * split.bands - 1) / (images * split.bands));
  } else if (!by_lines && images * split.bands < 4 * threads) {
    split.ranges = std::min<int64_t>(panels, threads);
  }
  return split;
}

// Calls, for every band and panel of the split,
//   prepare(band)          once for each band that a worker takes up
//   multiply(band, panel)
template <typename P, typename A, typename In, typename Copy, typename Prepare, typename Multiply>
void for_each_band(const RunArgs& args, const MatrixPlan& plan, const Split& split, int64_t panels,
                   const In* x, const Copy& copy, const Prepare& prepare,
                   const Multiply& multiply) {
  const MatrixForm& form = plan.form;
  const int64_t image_lines = form.rows_are_input ? form.rows : form.out_h;
  const LineSpan span = lines_of<P>(args, plan);
  const int64_t bands = form.groups * span.images * split.bands;
  const int64_t ranges = split.ranges;
  if (bands == 0 || panels == 0) return;
  const auto work = [&](int64_t begin, int64_t end, int worker) {
    std::byte* const scratch = args.scratch + worker * plan.worker_bytes;
    int64_t prepared = -1;
    Band<A> band{};
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task % bands;
      if (index != prepared) {
        const int64_t image = span.first_image + index / split.bands % span.images;
        const int64_t done = index % split.bands * split.band_lines;
        const int64_t line = span.first + done;
        band.group = index / split.bands / span.images;
        band.first_row = (image * image_lines + line) * plan.line_rows;
        band.lines = std::min(split.band_lines, span.count - done);
        band.rows = plan.line_rows;
        band.sums = reinterpret_cast<int32_t*>(scratch + plan.band_bytes);
        band.part = scratch + plan.band_bytes + plan.sums_bytes;
        band.wide = reinterpret_cast<float*>(scratch + plan.wide_panel);
        if constexpr (std::is_same_v<A, In>) band.a = x + band.first_row * plan.row_stride;
        if (!plan.direct) {
          copy.lines(image, line, band.lines, band.group, reinterpret_cast<A*>(scratch));
          band.a = reinterpret_cast<const A*>(scratch);
        }
        if (plan.merged) {
          band.rows *= band.lines;
          band.lines = 1;
        }
        prepare(band);
        prepared = index;
      }
      const int64_t range = task / bands;
      for (int64_t p = panels * range / ranges; p < panels * (range + 1) / ranges; ++p) {
        multiply(band, p);
      }
    }
  };
  // Ranges are the outer loop where there are several: neighbouring tasks share a range's weights.
  if (args.lines != nullptr) return work(0, bands, 0);
  args.pool.parallel_for(bands * ranges, 1, work, split.threads);
}

// Calls f(first segment, segments, first element in them, elements) for pieces of depth.
template <typename F>
void for_each_part(const MatrixPlan& plan, const PanelSizes& sizes, const F& f) {
  if (plan.segment_step > 1) {
    for (int64_t s = 0; s < sizes.segments; s += plan.segment_step) {
      f(s, std::min(plan.segment_step, sizes.segments - s), 0, sizes.segment_depth);
    }
    return;
  }
  for (int64_t s = 0; s < sizes.segments; ++s) {
    for (int64_t k = 0; k < sizes.segment_depth; k += plan.depth_step) {
      f(s, 1, k, std::min(plan.depth_step, sizes.segment_depth - k));
    }
  }
}

// Runs `tile` for a band's rows in pieces of at most P::kTile.rows, as even as they can be, after
// place(line, row) has pointed it at each. Meanwhile the next panel comes closer, spread evenly
// over this one's work: the first pass over a panel would otherwise wait for memory, where the
// weights of a deep layer lie. `packed` is where this panel lies, the next one behind it; tile->b
// is that, or a widened copy.
template <typename P, typename A, typename B, typename Tile, typename Place>
void run_tiles(const Band<A>& band, const MatrixPlan& plan, const PanelSizes& sizes, int64_t panel,
               const B* packed, Tile* tile, const Place& place) {
  const int64_t pieces = (band.rows + P::kTile.rows - 1) / P::kTile.rows;
  const int64_t most = (band.rows + pieces - 1) / pieces;
  const auto element = static_cast<int64_t>(sizeof(B));
  const int64_t panel_bytes = sizes.depth() * P::kTile.columns * element;
  const int64_t share = panel + 1 < sizes.panels ? panel_bytes / (pieces * band.lines) : 0;
  const int64_t steps = std::max<int64_t>(sizes.depth() / P::kTile.interleave, 1);
  tile->rows.prefetch = reinterpret_cast<const std::byte*>(packed) + (share > 0 ? panel_bytes : 0);
  tile->rows.prefetch_step = share / steps;
  const int64_t width = tile->columns <= P::kTile.narrow ? P::kTile.narrow : P::kTile.columns;
  const auto all_rows = [&](int64_t depth_offset) {
    for (int64_t line = 0; line < band.lines; ++line) {
      for (int64_t row = 0; row < band.rows; row += most) {
        place(line, row);
        tile->rows.a += depth_offset;
        run_tile<P>(std::min(most, band.rows - row), *tile);
        const int64_t depth = tile->rows.segment_count * tile->rows.segment_depth;
        tile->rows.prefetch += depth / P::kTile.interleave * tile->rows.prefetch_step;
      }
    }
  };
  if constexpr (P::kSplitsDepth) {
    if (plan.depth_step > 0 && pieces * band.lines > 1) {
      const int64_t* const segments = tile->rows.segments;
      const auto* const b = tile->b;
      for_each_part(plan, sizes, [&](int64_t segment, int64_t count, int64_t k, int64_t depth) {
        const int64_t done = segment * sizes.segment_depth + k;
        tile->rows.segments = segments + segment;
        tile->rows.segment_count = count;
        tile->rows.segment_depth = depth;
        tile->b = b + done * width;
        tile->part.first = done == 0;
        tile->part.last = done + count * depth == sizes.depth();
        all_rows(k);
      });
      return;
    }
  }
  all_rows(0);
}

// -zero * sum of each row's elements, padding of its segments included: it meets weights `zero`.
template <typename P, typename A>
void row_biases(const MatrixPlan& plan, const PanelSizes& sizes, int32_t zero,
                const Band<A>& band) {
  int32_t* out = band.sums;
  for (int64_t line = 0; line < band.lines; ++line) {
    for (int64_t row = 0; row < band.rows; ++row) {
      const A* const a = band.a + line * plan.line_stride + row * plan.row_stride;
      int32_t sum = 0;
      for (const int64_t segment : plan.segments) {
        for (int64_t k = 0; k < sizes.segment_depth; ++k) sum += a[segment + k];
      }
      *out++ = -zero * sum;
    }
  }
}

// The rows of a table of kernels: pack, prepare and run for a quantized P.
template <typename P>
struct QuantizedMatrix {
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_quantized_matrix<typename P::B>(op, P::kTile, P::kLanes, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_matrix(op, P::kTile, sizeof(typename P::A),
                       enters_unchanged(op.inputs[0].dtype, P::kLanes));
  }
  template <typename In, typename Out>
  static void run_typed(const RunArgs& args) {
    using A = typename P::A;
    using B = typename P::B;
    const auto& packed = static_cast<const PackedQuantizedMatrix<B>&>(*args.packed);
    const auto& plan = static_cast<const MatrixPlan&>(*args.prepared);
    const MatrixForm& form = plan.form;
    const PanelSizes& sizes = packed.sizes;
    const In* const x = args.input<In>(0);
    Out* const y = args.output<Out>(0);
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : form.out_c;
    const auto convert = [&](const In* from, int64_t n, A* out) {
      P::convert(from, n, packed.a_offset, out);
    };
    const BandCopy<P, In, A, decltype(convert)> copy(plan, x, static_cast<A>(packed.a_padding),
                                                     convert);
    const auto b_bytes = static_cast<int64_t>(packed.b.bytes());
    const Split split =
        split_of<P>(args, plan, sizes.panels, P::kTile.rows, b_bytes, 1, cost(args.op));
    for_each_band<P, A>(
        args, plan, split, sizes.panels, x, copy,
        [&](const Band<A>& band) {
          if (packed.b_zero != 0) row_biases<P>(plan, sizes, packed.b_zero, band);
        },
        [&](const Band<A>& band, int64_t panel) {
          const int64_t column = panel * P::kTile.columns;
          const int64_t padded = band.group * sizes.padded_columns + column;
          Out* const out = y + band.first_row * y_stride + band.group * form.columns + column;
          QuantizedTileArgs<A, B, Out> tile{.rows = {.a = nullptr,
                                                     .a_stride = plan.row_stride,
                                                     .segments = plan.segments.data(),
                                                     .segment_count = sizes.segments,
                                                     .segment_depth = sizes.segment_depth},
                                            .part = {},
                                            .b = packed.b.data() + padded * sizes.depth(),
                                            .bias = packed.bias.data() + padded,
                                            .scale = packed.scale.data() + padded,
                                            .row_bias = nullptr,
                                            .requant = packed.requant,
                                            .y = nullptr,
                                            .y_stride = y_stride,
                                            .columns = static_cast<int>(std::min<int64_t>(
                                                P::kTile.columns, form.columns - column))};
          run_tiles<P>(band, plan, sizes, panel, tile.b, &tile, [&](int64_t line, int64_t row) {
            const int64_t index = line * band.rows + row;
            tile.rows.a = band.a + line * plan.line_stride + row * plan.row_stride;
            tile.row_bias = packed.b_zero != 0 ? band.sums + index : nullptr;
            tile.y = out + index * y_stride;
            tile.part.sums = reinterpret_cast<int32_t*>(band.part) + index * P::kTile.columns;
          });
        });
  }
  static void run(const RunArgs& args) { run_8bit<QuantizedMatrix>(args); }
};

template <typename P>
struct FloatMatrix {
  static bool has_half_weights(const OpDesc& op) { return op.inputs[1].dtype == DType::kFloat16; }
  static double cost(const OpDesc& op) { return macs(op) / P::kMacsPerCycle; }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return has_half_weights(op) ? pack_float_matrix<Half>(op, P::kTile, stored)
                                : pack_float_matrix<float>(op, P::kTile, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    // Panels of float16 are split as those of float32 are, so that sums are the same.
    return plan_matrix(op, P::kTile, sizeof(float), /*same_type=*/true);
  }
  static void run(const RunArgs& args) {
    has_half_weights(args.op) ? run_typed<Half>(args) : run_typed<float>(args);
  }
  template <typename B>
  static void run_typed(const RunArgs& args) {
    const auto& packed = static_cast<const PackedFloatMatrix<B>&>(*args.packed);
    const auto& plan = static_cast<const MatrixPlan&>(*args.prepared);
    const MatrixForm& form = plan.form;
    const PanelSizes& sizes = packed.sizes;
    const float* const x = args.input<float>(0);
    float* const y = args.output<float>(0);
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : form.out_c;
    const auto same = [](const float* from, int64_t n, float* to) { std::copy_n(from, n, to); };
    const BandCopy<P, float, float, decltype(same)> copy(plan, x, 0.F, same);
    const auto b_bytes = static_cast<int64_t>(packed.b.bytes());
    const Split split =
        split_of<P>(args, plan, sizes.panels, P::kTile.rows, b_bytes, 4, cost(args.op));
    const auto multiply = [&]<typename Weight>(const Band<float>& band, int64_t panel,
                                               const B* packed_b, const Weight* b) {
      const int64_t column = panel * P::kTile.columns;
      const int64_t padded = band.group * sizes.padded_columns + column;
      float* const out = y + band.first_row * y_stride + band.group * form.columns + column;
      FloatTileArgs<Weight> tile{
          .rows = {.a = nullptr,
                   .a_stride = plan.row_stride,
                   .segments = plan.segments.data(),
                   .segment_count = sizes.segments,
                   .segment_depth = sizes.segment_depth},
          .part = {},
          .b = b,
          .bias = packed.bias.data() + padded,
          .low = packed.low,
          .high = packed.high,
          .y = nullptr,
          .y_stride = y_stride,
          .columns = static_cast<int>(std::min<int64_t>(P::kTile.columns, form.columns - column))};
      run_tiles<P>(band, plan, sizes, panel, packed_b, &tile, [&](int64_t line, int64_t row) {
        tile.rows.a = band.a + line * plan.line_stride + row * plan.row_stride;
        const int64_t index = line * band.rows + row;
        tile.y = out + index * y_stride;
        tile.part.sums = reinterpret_cast<float*>(band.part) + index * P::kTile.columns;
      });
    };
    for_each_band<P, float>(
        args, plan, split, sizes.panels, x, copy, [](const Band<float>&) {},
        [&](const Band<float>& band, int64_t panel) {
          const int64_t column = panel * P::kTile.columns;
          const int64_t padded = band.group * sizes.padded_columns + column;
          const B* const b = packed.b.data() + padded * sizes.depth();
          if constexpr (std::is_same_v<B, Half>) {
            // Widened once for many rows, in registers for few.
            if (band.lines * band.rows > 2 * P::kTile.rows) {
              const int64_t width =
                  std::min<int64_t>(P::kTile.columns, sizes.padded_columns - column);
              P::widen(b, sizes.depth() * width, band.wide);
              return multiply(band, panel, b, static_cast<const float*>(band.wide));
            }
          }
          multiply(band, panel, b, b);
        });
  }
};

}  // namespace inferd::kernels::generic
