// SPDX-License-Identifier: Apache-2.0
//
// Which of some things belong to which of some others, so that all pairs together are worth the
// most.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace inferd::pipeline {

// The Hungarian method with potentials (Kuhn 1955, Munkres 1957; one shortest path for each row,
// as Jonker and Volgenant 1987): O(s * s * l) for s rows and l columns, s the smaller number.
// Buffers are kept from call to call. Used by one thread at a time.
class Assignment {
 public:
  static constexpr int kNone = -1;

  // `weights` is [rows, columns], row by row, each at most 1. What is not above 0 is no pair, so
  // that a pair is never made for the sake of making one. Returns the column of each row, or
  // kNone; valid until the next call.
  std::span<const int> solve(std::span<const float> weights, size_t rows, size_t columns);

 private:
  double cost(size_t row, size_t column) const;
  void add_row(size_t row);

  std::span<const float> weights_;
  size_t columns_ = 0;           // of weights_
  size_t short_ = 0, long_ = 0;  // sides of the problem; transposed_: swapped
  bool transposed_ = false;
  std::vector<double> row_potential_, column_potential_, slack_;
  std::vector<size_t> owner_, before_;  // of each column; from 1, 0: none
  std::vector<char> visited_;
  std::vector<int> result_;
};

}  // namespace inferd::pipeline
