// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/assignment.h"

#include <limits>

namespace inferd::pipeline {

// Of the smaller side's `row` with the larger side's `column`, from 1. Pairs that are worth nothing
// (or NaN) cost nothing, and are dropped in the end.
double Assignment::cost(size_t row, size_t column) const {
  const size_t place =
      transposed_ ? (column - 1) * columns_ + (row - 1) : (row - 1) * columns_ + (column - 1);
  const float weight = weights_[place];
  return weight > 0 ? -static_cast<double>(weight) : 0;
}

// Finds the cheapest way to give one more row a column, moving rows that have one where that pays.
void Assignment::add_row(size_t row) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  slack_.assign(long_ + 1, kFar);
  visited_.assign(long_ + 1, 0);
  owner_[0] = row;
  size_t column = 0;
  do {
    visited_[column] = 1;
    const size_t from = owner_[column];
    double step = kFar;
    size_t next = 0;
    for (size_t c = 1; c <= long_; ++c) {
      if (visited_[c] != 0) continue;
      const double reduced = cost(from, c) - row_potential_[from] - column_potential_[c];
      if (reduced < slack_[c]) {
        slack_[c] = reduced;
        before_[c] = column;
      }
      if (slack_[c] < step) {
        step = slack_[c];
        next = c;
      }
    }
    for (size_t c = 0; c <= long_; ++c) {
      if (visited_[c] != 0) {
        row_potential_[owner_[c]] += step;
        column_potential_[c] -= step;
      } else {
        slack_[c] -= step;
      }
    }
    column = next;
  } while (owner_[column] != 0);
  for (; column != 0; column = before_[column]) owner_[column] = owner_[before_[column]];
}

std::span<const int> Assignment::solve(std::span<const float> weights, size_t rows,
                                       size_t columns) {
  weights_ = weights;
  columns_ = columns;
  transposed_ = rows > columns;
  short_ = transposed_ ? columns : rows;
  long_ = transposed_ ? rows : columns;
  row_potential_.assign(short_ + 1, 0);
  column_potential_.assign(long_ + 1, 0);
  owner_.assign(long_ + 1, 0);
  before_.assign(long_ + 1, 0);
  for (size_t row = 1; row <= short_; ++row) add_row(row);
  result_.assign(rows, kNone);
  for (size_t c = 1; c <= long_; ++c) {
    if (owner_[c] == 0 || !(cost(owner_[c], c) < 0)) continue;
    const size_t row = transposed_ ? c : owner_[c];
    const size_t column = transposed_ ? owner_[c] : c;
    result_[row - 1] = static_cast<int>(column - 1);
  }
  return result_;
}

}  // namespace inferd::pipeline
