// SPDX-License-Identifier: Apache-2.0
//
// Operators that look for elements and say where they are.
#include <algorithm>
#include <memory>
#include <numeric>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

bool same_type(const OpDesc& op) { return op.inputs[0].dtype == op.outputs[0].dtype; }

struct Scratch final : Prepared {};

// Numbers in ascending order; what is no number comes last, so that the order is total.
template <typename T>
int compare(T a, T b) {
  const auto x = to_number(a);
  const auto y = to_number(b);
  if (x < y) return -1;
  if (y < x) return 1;
  if constexpr (std::is_integral_v<decltype(x)>) return 0;
  return static_cast<int>(x != x) - static_cast<int>(y != y);
}

// The k first of `count` elements that are `step` apart, into places that are `step` apart.
template <typename T>
void top_k(const T* x, int64_t count, int64_t step, bool largest, int64_t k, int64_t* order,
           T* values, int64_t* indices) {
  std::iota(order, order + count, 0);
  std::partial_sort(order, order + k, order + count, [=](int64_t a, int64_t b) {
    const int way = compare(x[a * step], x[b * step]);
    return way != 0 ? (largest ? way > 0 : way < 0) : a < b;
  });
  for (int64_t i = 0; i < k; ++i) {
    values[i * step] = x[order[i] * step];
    indices[i * step] = order[i];
  }
}

template <typename T>
bool is_zero(T value) {
  return to_number(value) == 0;
}

// The slices of a tensor along one axis.
template <typename T>
struct Slices {
  const T* x;
  int64_t outer, count, inner;

  const T& at(int64_t slice, int64_t o, int64_t i) const {
    return x[(o * count + slice) * inner + i];
  }
  // By their first elements that differ.
  int compare_slices(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        if (const int way = compare(at(a, o, i), at(b, o, i)); way != 0) return way;
      }
    }
    return 0;
  }
};

// Fills first, inverse and counts; returns how many slices are unlike all others. `order`, `leader`
// and `number` have room for one number for each slice.
template <typename T>
int64_t number_slices(const Slices<T>& slices, bool sorted, int64_t* order, int64_t* leader,
                      int64_t* number, const RunArgs& args) {
  std::iota(order, order + slices.count, 0);
  std::sort(order, order + slices.count, [&](int64_t a, int64_t b) {
    const int way = slices.compare_slices(a, b);
    return way != 0 ? way < 0 : a < b;
  });
  // Equal slices follow each other now, led by the one that comes first in x.
  for (int64_t j = 0; j < slices.count; ++j) {
    const bool leads = j == 0 || slices.compare_slices(order[j - 1], order[j]) != 0;
    leader[order[j]] = leads ? order[j] : leader[order[j - 1]];
  }
  int64_t* const first = args.output<int64_t>(1);
  int64_t* const inverse = args.output<int64_t>(2);
  int64_t* const counts = args.output<int64_t>(3);
  int64_t found = 0;
  for (int64_t j = 0; j < slices.count; ++j) {
    const int64_t slice = sorted ? order[j] : j;
    if (leader[slice] != slice) continue;
    number[slice] = found;
    first[found++] = slice;
  }
  std::fill_n(first + found, slices.count - found, 0);
  std::fill_n(counts, slices.count, 0);
  for (int64_t slice = 0; slice < slices.count; ++slice) {
    inverse[slice] = number[leader[slice]];
    ++counts[inverse[slice]];
  }
  return found;
}

}  // namespace

bool accepts_top_k(const OpDesc& op) { return same_type(op); }

std::unique_ptr<Prepared> prepare_top_k(const OpDesc& op, const PackedWeights*) {
  auto scratch = std::make_unique<Scratch>();
  const int64_t count = op.inputs[0].shape[op.attrs_as<TopKAttrs>().axis];
  scratch->scratch_bytes = bytes_of<int64_t>(count);
  return scratch;
}

void run_top_k(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<TopKAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const int64_t count = x[attrs.axis];
  const int64_t k = args.op.outputs[0].shape[attrs.axis];
  const int64_t inner = x.elements(attrs.axis + 1, x.rank());
  const int64_t lines = x.elements(0, attrs.axis) * inner;
  with_number(args.op.inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    for (int64_t line = 0; line < lines; ++line) {
      const int64_t from = line / inner * inner * count + line % inner;
      const int64_t to = line / inner * inner * k + line % inner;
      top_k(args.input<T>(0) + from, count, inner, attrs.largest, k,
            reinterpret_cast<int64_t*>(args.scratch), args.output<T>(0) + to,
            args.output<int64_t>(1) + to);
    }
  });
}

bool accepts_non_zero(const OpDesc& op) { return op.inputs[0].quantization.empty(); }

void run_non_zero(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const int64_t total = x.elements();
  int64_t* const indices = args.output<int64_t>(0);
  std::fill_n(indices, args.op.outputs[0].elements(), 0);
  int64_t found = 0;
  with_number(args.op.inputs[0].dtype, [&](auto type) {
    const auto* data = args.input<decltype(type)>(0);
    Index index{};
    std::array<int64_t, 1> unused{};
    for (int64_t i = 0; i < total; ++i, advance(x, index, unused, {Index{}})) {
      if (is_zero(data[i])) continue;
      for (int d = 0; d < x.rank(); ++d) {
        indices[d * total + found] = index[static_cast<size_t>(d)];
      }
      ++found;
    }
  });
  args.output<int64_t>(1)[0] = found;
}

bool accepts_unique(const OpDesc& op) { return same_type(op); }

std::unique_ptr<Prepared> prepare_unique(const OpDesc& op, const PackedWeights*) {
  auto scratch = std::make_unique<Scratch>();
  const int64_t count = op.inputs[0].shape[op.attrs_as<UniqueAttrs>().axis];
  scratch->scratch_bytes = 3 * bytes_of<int64_t>(count);
  return scratch;
}

void run_unique(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<UniqueAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  with_number(args.op.inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const Slices<T> slices{args.input<T>(0), x.elements(0, attrs.axis), x[attrs.axis],
                           x.elements(attrs.axis + 1, x.rank())};
    auto* const order = reinterpret_cast<int64_t*>(args.scratch);
    const int64_t found = number_slices(slices, attrs.sorted, order, order + slices.count,
                                        order + 2 * slices.count, args);
    T* y = args.output<T>(0);
    for (int64_t o = 0; o < slices.outer; ++o) {
      for (int64_t slice = 0; slice < slices.count; ++slice) {
        for (int64_t i = 0; i < slices.inner; ++i) {
          *y++ = slice < found ? slices.at(args.output<int64_t>(1)[slice], o, i) : T{};
        }
      }
    }
    args.output<int64_t>(4)[0] = found;
  });
}

}  // namespace inferd::kernels::ref
