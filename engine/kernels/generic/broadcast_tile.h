// SPDX-License-Identifier: Apache-2.0
//
// A tile of accumulators for ISAs whose multiply-add takes a vector of weights and one group of
// `kInterleave` neighbours of a row, broadcast: x86. P provides
//   Acc, Weights, Group           vectors: accumulators, weights of as many columns, a's group
//   kLanes32                      accumulators in a vector
//   load_bias(p), add_row(acc, v), load_weights(p), broadcast(p), multiply_add(acc, a, w), add(x,
//   y)
#pragma once

#include <cstdint>

#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels::generic {

// acc[m][v] = sum over depth of a[m] * b[v]. Few accumulators cannot hide the latency of a
// multiply-add, so small tiles keep U partial sums each.
template <typename P, int M, int V, typename A, typename B>
[[gnu::always_inline]] inline void accumulate(const Rows<A>& rows, const B* b,
                                              typename P::Acc (&acc)[M][V]) {
  constexpr int kGroup = P::kInterleave;
  constexpr int kWidth = P::kLanes32 * kGroup;  // of weights in a vector
  constexpr int U = M * V >= 8 ? 1 : M * V >= 4 ? 2 : 4;
  typename P::Acc part[U][M][V];
#pragma GCC unroll 4
  for (int u = 1; u < U; ++u) {
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) part[u][m][v] = P::zero();
    }
  }
  const auto step = [&](const A* a, const B* w, auto& sums) __attribute__((always_inline)) {
    typename P::Weights weights[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weights[v] = P::load_weights(w + v * kWidth);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const auto group = P::broadcast(a + m * rows.a_stride);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[m][v] = P::multiply_add(sums[m][v], group, weights[v]);
    }
  };
  const std::byte* prefetch = rows.prefetch;
  for (int64_t s = 0; s < rows.segment_count; ++s) {
    const A* a = rows.a + rows.segments[s];
    const A* const end = a + rows.segment_depth;
    if constexpr (U > 1) {
      for (; end - a >= U * kGroup; a += U * kGroup, b += U * kWidth * V) {
        step(a, b, acc);
#pragma GCC unroll 4
        for (int u = 1; u < U; ++u) step(a + u * kGroup, b + u * kWidth * V, part[u]);
      }
    }
    for (; a < end; a += kGroup, b += kWidth * V, prefetch += rows.prefetch_step) {
      __builtin_prefetch(prefetch, 0, 2);
      step(a, b, acc);
    }
  }
#pragma GCC unroll 4
  for (int u = 1; u < U; ++u) {
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = P::add(acc[m][v], part[u][m][v]);
    }
  }
}

// The same from where the tile's sums begin: bias, or what an earlier part of the depth left. False
// when a later part will go on: then the sums are put down for it.
template <typename P, int M, int V, typename Args>
[[gnu::always_inline]] inline bool accumulate_part(const Args& t, typename P::Acc (&acc)[M][V]) {
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const auto* sums = t.part.sums + (m * V + v) * P::kLanes32;
      acc[m][v] = P::load_sums(t.part.first ? t.bias + v * P::kLanes32 : sums);
    }
  }
  accumulate<P, M, V>(t.rows, t.b, acc);
  if (t.part.last) return true;
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) P::store_sums(t.part.sums + (m * V + v) * P::kLanes32, acc[m][v]);
  }
  return false;
}

// The same with row_bias.
template <typename P, int M, int V, typename Args>
[[gnu::always_inline]] inline bool accumulate_quantized(const Args& t,
                                                        typename P::Acc (&acc)[M][V]) {
  if (!accumulate_part<P, M, V>(t, acc)) return false;
  if (t.row_bias == nullptr) return true;
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = P::add_row(acc[m][v], t.row_bias[m]);
  }
  return true;
}

}  // namespace inferd::kernels::generic
