// SPDX-License-Identifier: Apache-2.0
//
// The generic algorithms with inner loops in plain C++, for CPUs without a folder of their own.
#include <algorithm>
#include <array>
#include <span>

#include "engine/base/float16.h"
#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"

namespace inferd::kernels::portable {
namespace {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, halves to even, for |value|
// below 2^22: what std::nearbyint does, without a call.
int32_t round_half_even(float value) {
  constexpr float kMagic = 12582912.F;
  return static_cast<int32_t>((value + kMagic) - kMagic);
}

template <typename Out>
void store(const int32_t* acc, const float* scale, const generic::RequantParams& q, int count,
           Out* y) {
  for (int i = 0; i < count; ++i) {
    const float value = static_cast<float>(acc[i]) * scale[i];
    const float clamped = std::min(std::max(value, q.low), q.high);
    y[i] = static_cast<Out>(round_half_even(clamped) + q.zero_point);
  }
}

// Sums wrap as the vector forms do, instead of overflowing.
int32_t add_product(int32_t sum, int16_t a, int16_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(a * b));
}

struct Quantized {
  using A = int16_t;
  using B = int16_t;
  static constexpr bool kSplitsDepth = false;
  static constexpr generic::Tile kTile{.rows = 4, .columns = 8};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS16;
  static constexpr int kDepthwiseInterleave = 1;
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 3;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int16_t* out) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int16_t>(x[i] - offset);
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32_t acc[M][N];
    for (auto& row : acc) std::copy_n(t.bias, N, row);
    const int16_t* b = t.b;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const int16_t* a = t.rows.a + t.rows.segments[s];
      for (int64_t k = 0; k < t.rows.segment_depth; ++k, b += N) {
        for (int m = 0; m < M; ++m) {
          for (int n = 0; n < N; ++n) {
            acc[m][n] = add_product(acc[m][n], a[m * t.rows.a_stride + k], b[n]);
          }
        }
      }
    }
    for (int m = 0; m < M; ++m) {
      store(acc[m], t.scale, t.requant, t.columns, t.y + m * t.y_stride);
    }
  }

  template <typename In, typename Out>
  static void depthwise(const generic::QuantizedDepthwiseArgs<In, Out>& d) {
    int32_t acc[kBlock];
    std::copy_n(d.bias, kBlock, acc);
    for (int64_t t = 0; t < d.tap_count; ++t) {
      const In* x = d.taps[t] + d.offset;
      const int16_t* w = d.w + t * kBlock;
      for (int c = 0; c < kBlock; ++c) {
        acc[c] = add_product(acc[c], static_cast<int16_t>(x[c]), w[c]);
      }
    }
    store(acc, d.scale, d.requant, d.channels, d.y);
  }
};

void store(const float* acc, float low, float high, int count, float* y) {
  for (int i = 0; i < count; ++i) y[i] = std::min(std::max(acc[i], low), high);
}

struct Float {
  static constexpr bool kSplitsDepth = false;
  static constexpr generic::Tile kTile{.rows = 4, .columns = 8};
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 3;

  static float widened(float weight) { return weight; }
  static float widened(generic::Half weight) { return half_to_float(weight); }
  static void widen(const generic::Half* x, int64_t n, float* out) {
    std::transform(x, x + n, out, half_to_float);
  }

  template <int M, int N, typename B>
  static void tile(const generic::FloatTileArgs<B>& t) {
    float acc[M][N];
    for (auto& row : acc) std::copy_n(t.bias, N, row);
    const B* b = t.b;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const float* a = t.rows.a + t.rows.segments[s];
      for (int64_t k = 0; k < t.rows.segment_depth; ++k, b += N) {
        float w[N];
        for (int n = 0; n < N; ++n) w[n] = widened(b[n]);
        for (int m = 0; m < M; ++m) {
          for (int n = 0; n < N; ++n) acc[m][n] += a[m * t.rows.a_stride + k] * w[n];
        }
      }
    }
    for (int m = 0; m < M; ++m) store(acc[m], t.low, t.high, t.columns, t.y + m * t.y_stride);
  }

  static void depthwise(const generic::FloatDepthwiseArgs& d) {
    float acc[kBlock];
    std::copy_n(d.bias, kBlock, acc);
    for (int64_t t = 0; t < d.tap_count; ++t) {
      const float* x = d.taps[t] + d.offset;
      const float* w = d.w + t * kBlock;
      for (int c = 0; c < kBlock; ++c) acc[c] += x[c] * w[c];
    }
    store(acc, d.low, d.high, d.channels, d.y);
  }
};

struct Elements {
  static constexpr double kElementsPerCycle = 1;
  using Floats [[gnu::vector_size(16)]] = float;
  static Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
  static Floats reciprocal(Floats a) { return 1.F / a; }
  static void lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
  }
};

constexpr std::array kOwnRows = {
    Kernel{"transpose", OpKind::kTranspose, Isa::kPortable, generic::accepts_copy,
           generic::copy_cost, nullptr, generic::plan_transpose, generic::run_strided_copy},
    Kernel{"slice", OpKind::kSlice, Isa::kPortable, generic::accepts_copy, generic::copy_cost,
           nullptr, generic::plan_slice, generic::run_strided_copy},
    Kernel{"expand", OpKind::kExpand, Isa::kPortable, generic::accepts_copy, generic::copy_cost,
           nullptr, generic::plan_expand, generic::run_strided_copy},
    Kernel{"strided_copy", OpKind::kStridedCopy, Isa::kPortable, generic::accepts_copy,
           generic::copy_cost, nullptr, generic::plan_strided_copy, generic::run_strided_copy},
    Kernel{"concat", OpKind::kConcat, Isa::kPortable, generic::accepts_concat, generic::copy_cost,
           nullptr, generic::plan_concat, generic::run_concat, kByLines | kTakesPlaced},
    Kernel{"pad", OpKind::kPad, Isa::kPortable, generic::accepts_pad, generic::copy_cost, nullptr,
           generic::plan_pad, generic::run_pad},
    Kernel{"gather", OpKind::kGather, Isa::kPortable, generic::accepts_gather, generic::copy_cost,
           nullptr, nullptr, generic::run_gather},
    Kernel{"resize_nearest", OpKind::kResize, Isa::kPortable, generic::accepts_nearest_resize,
           generic::copy_cost, nullptr, generic::plan_nearest_resize, generic::run_nearest_resize},
    Kernel{"softmax_q8", OpKind::kSoftmax, Isa::kPortable, generic::accepts_quantized_softmax,
           generic::copy_cost, nullptr, generic::plan_softmax, generic::run_quantized_softmax,
           kInPlace},
    Kernel{"arg_max", OpKind::kArgMax, Isa::kPortable, generic::accepts_arg_max, generic::copy_cost,
           nullptr, nullptr, generic::run_arg_max},
    Kernel{"detection_post_process", OpKind::kDetectionPostProcess, Isa::kPortable,
           generic::accepts_detection_post_process, generic::copy_cost, nullptr,
           generic::plan_detection_post_process, generic::run_detection_post_process},
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kPortable;
  static constexpr auto kTable = generic::joined(
      generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_quantized_matrix>,
      generic::kQuantizedDepthwiseRows<Quantized, kIsa>, generic::kFloatRows<Float, kIsa>,
      generic::kElementwiseRows<Elements, kIsa>, kOwnRows);
  return kTable;
}

}  // namespace inferd::kernels::portable
