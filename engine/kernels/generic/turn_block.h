// SPDX-License-Identifier: Apache-2.0
//
// Square blocks of a matrix, turned in registers: what makes channels of planes and planes of
// channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace inferd::kernels::generic {

// kLanes numbers of type T, in one register.
template <typename T, int kLanes>
struct Line {
  using type [[gnu::vector_size(kLanes * sizeof(T))]] = T;
};

// Lanes of a and b in turn: a0 b0 a1 b1 ..., of the lower half (kFrom 0) or the upper.
template <int kFrom, typename V, size_t... kLane>
V zipped(V a, V b, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(
      a, b, (kFrom + static_cast<int>(kLane / 2 + kLane % 2 * sizeof...(kLane)))...);
}

// Line i becomes what was lane i of all lines. N is a power of two; each round zips the first half
// of the lines with the second, after log2(N) of them rows are columns.
template <typename T, int N>
void turn_block(typename Line<T, N>::type (&lines)[N]) {
  using V = typename Line<T, N>::type;
  constexpr auto kLanes = std::make_index_sequence<N>();
#pragma GCC unroll 4
  for (int rounds = 1; rounds < N; rounds *= 2) {
    V next[N];
#pragma GCC unroll 8
    for (int i = 0; i < N / 2; ++i) {
      next[2 * i] = zipped<0>(lines[i], lines[i + N / 2], kLanes);
      next[2 * i + 1] = zipped<N / 2>(lines[i], lines[i + N / 2], kLanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) lines[i] = next[i];
  }
}

}  // namespace inferd::kernels::generic
