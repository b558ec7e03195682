// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/strided_copy.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "engine/kernels/generic/turn_block.h"

namespace inferd::kernels::generic {
namespace {

// A dimension of the output, and how far apart its elements are in input and output.
struct Dim {
  int64_t size = 1;
  int64_t from = 0;
  int64_t to = 0;
};

// Sizes and distances are in elements of `width` bytes: of the tensor's type, or neighbours that
// stay together.
struct CopyPlan final : Prepared {
  enum class Loop { kRuns, kLines, kPlanes };
  Loop loop = Loop::kRuns;
  int64_t width = 1;
  int64_t offset = 0;
  std::vector<Dim> outer;  // around the loop, outermost first
  int64_t outer_count = 1;
  int64_t run = 1;  // kRuns: elements
  Dim rows;         // kPlanes: the dimension that is innermost in the input
  Dim columns;      // kLines, kPlanes: the output's innermost; its elements are neighbours there
};

// Steps through the outer dimensions in the output's order.
class Walk {
 public:
  Walk(const CopyPlan& plan, int64_t start) : dims_(plan.outer), from(plan.offset) {
    for (size_t d = dims_.size(); d-- > 0; start /= dims_[d].size) {
      index_[d] = start % dims_[d].size;
      from += index_[d] * dims_[d].from;
      to += index_[d] * dims_[d].to;
    }
  }
  void next() {
    for (size_t d = dims_.size(); d-- > 0;) {
      from += dims_[d].from;
      to += dims_[d].to;
      if (++index_[d] < dims_[d].size) return;
      from -= dims_[d].from * dims_[d].size;
      to -= dims_[d].to * dims_[d].size;
      index_[d] = 0;
    }
  }

 private:
  const std::vector<Dim>& dims_;
  std::array<int64_t, kMaxRank + 1> index_{};

 public:
  int64_t from;
  int64_t to = 0;
};

constexpr int64_t kBytesPerTask = 16384;

void copy_runs(const RunArgs& args, const CopyPlan& p) {
  const int64_t bytes = p.run * p.width;
  const int64_t grain = std::max<int64_t>(kBytesPerTask / bytes, 1);
  args.parallel_for(p.outer_count, grain, [&](int64_t begin, int64_t end, int) {
    Walk at(p, begin);
    for (int64_t i = begin; i < end; ++i, at.next()) {
      std::memcpy(args.outputs[0] + at.to * p.width, args.inputs[0] + at.from * p.width,
                  static_cast<size_t>(bytes));
    }
  });
}

template <typename T>
void copy_line(const T* x, int64_t stride, int64_t count, T* y) {
  if (stride == 2) {  // every second channel: the compiler knows how to take these apart
    for (int64_t i = 0; i < count; ++i) y[i] = x[2 * i];
  } else if (stride == 0) {
    std::fill_n(y, count, *x);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i * stride];
  }
}

template <typename T>
void copy_lines(const RunArgs& args, const CopyPlan& p) {
  constexpr int64_t kPiece = kBytesPerTask / int64_t{sizeof(T)};
  const int64_t pieces = (p.columns.size + kPiece - 1) / kPiece;
  const int64_t grain = std::max<int64_t>(kPiece / p.columns.size, 1);
  args.parallel_for(p.outer_count * pieces, grain, [&](int64_t begin, int64_t end, int) {
    Walk at(p, begin / pieces);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kPiece;
      copy_line(args.input<T>(0) + at.from + first * p.columns.from, p.columns.from,
                std::min(kPiece, p.columns.size - first), args.output<T>(0) + at.to + first);
      if (i % pieces == pieces - 1) at.next();
    }
  });
}

constexpr int64_t kSquare = 32;

// y[i * y_stride + j] = x[i * x_row + j * x_column] for i < rows, j < columns.
template <typename T>
void turn_square(const T* x, int64_t x_row, int64_t x_column, int64_t rows, int64_t columns, T* y,
                 int64_t y_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) y[i * y_stride + j] = x[i * x_row + j * x_column];
  }
}

template <size_t kBytes>
struct WordOf;
template <>
struct WordOf<1> {
  using type = uint8_t;
};
template <>
struct WordOf<2> {
  using type = uint16_t;
};
template <>
struct WordOf<4> {
  using type = uint32_t;
};

// As turn() with x_row 1, in blocks of N by N; rows and columns are at least that many, and the
// last blocks may overlap those before.
template <int N, typename T>
void turn_blocks(const T* x, int64_t x_column, int64_t rows, int64_t columns, T* y,
                 int64_t y_stride) {
  using Word = typename WordOf<sizeof(T)>::type;
  const auto turn_at = [&](int64_t row, int64_t column) {
    typename Line<Word, N>::type lines[N];
    const T* const from = x + row + column * x_column;
    for (int64_t k = 0; k < N; ++k) std::memcpy(&lines[k], from + k * x_column, sizeof lines[k]);
    turn_block<Word, N>(lines);
    T* const to = y + row * y_stride + column;
    for (int64_t k = 0; k < N; ++k) std::memcpy(to + k * y_stride, &lines[k], sizeof lines[k]);
  };
  for (int64_t i = 0; i < rows; i += kSquare) {
    for (int64_t j = 0; j < columns; j += kSquare) {
      for (int64_t row = i; row < std::min(i + kSquare, rows); row += N) {
        for (int64_t column = j; column < std::min(j + kSquare, columns); column += N) {
          turn_at(std::min(row, rows - N), std::min(column, columns - N));
        }
      }
    }
  }
}

// As turn_square(), in parts that stay in the cache, and in registers where neighbours of the input
// come to lie in a column.
template <typename T>
void turn(const T* x, int64_t x_row, int64_t x_column, int64_t rows, int64_t columns, T* y,
          int64_t y_stride) {
  if constexpr (sizeof(T) <= 4) {
    constexpr int kLanes = 16 / int{sizeof(T)};
    const int64_t side = x_row == 1 ? std::min(rows, columns) : 0;
    if (side >= kLanes) return turn_blocks<kLanes>(x, x_column, rows, columns, y, y_stride);
    if constexpr (kLanes > 4) {
      if (side >= kLanes / 2) {
        return turn_blocks<kLanes / 2>(x, x_column, rows, columns, y, y_stride);
      }
    }
  }
  for (int64_t i = 0; i < rows; i += kSquare) {
    for (int64_t j = 0; j < columns; j += kSquare) {
      turn_square(x + i * x_row + j * x_column, x_row, x_column, std::min(kSquare, rows - i),
                  std::min(kSquare, columns - j), y + i * y_stride + j, y_stride);
    }
  }
}

// Two lines to pairs: how groups of channels are shuffled.
template <typename T>
void interleave2(const T* x, int64_t x_stride, int64_t rows, T* y) {
  const T* const x1 = x + x_stride;
  for (int64_t i = 0; i < rows; ++i) {
    y[2 * i] = x[i];
    y[2 * i + 1] = x1[i];
  }
}

// Three planes to triples.
template <typename T>
void interleave3(const T* x, int64_t x_stride, int64_t rows, T* y) {
  const T* const x1 = x + x_stride;
  const T* const x2 = x1 + x_stride;
  for (int64_t i = 0; i < rows; ++i) {
    y[3 * i] = x[i];
    y[3 * i + 1] = x1[i];
    y[3 * i + 2] = x2[i];
  }
}

// What there is for T.
template <typename T>
auto triples_loop(const CopyLoops& loops) {
  if constexpr (std::is_same_v<T, uint8_t>) {
    return loops.bytes_to_triples;
  } else if constexpr (std::is_same_v<T, uint32_t>) {
    return loops.words_to_triples;
  } else {
    return interleave3<T>;
  }
}

template <typename T>
void turn_planes(const RunArgs& args, const CopyPlan& p, const CopyLoops& loops) {
  const auto to_triples = triples_loop<T>(loops);
  // Pieces of rows, so that a single plane is split over threads too.
  constexpr int64_t kRows = 1024;
  const int64_t pieces = (p.rows.size + kRows - 1) / kRows;
  const int64_t bytes = std::min(kRows, p.rows.size) * p.columns.size * int64_t{sizeof(T)};
  const int64_t grain = std::max<int64_t>(kBytesPerTask / bytes, 1);
  args.parallel_for(p.outer_count * pieces, grain, [&](int64_t begin, int64_t end, int) {
    Walk at(p, begin / pieces);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kRows;
      const int64_t count = std::min(kRows, p.rows.size - first);
      const T* const x = args.input<T>(0) + at.from + first * p.rows.from;
      T* const y = args.output<T>(0) + at.to + first * p.rows.to;
      if (p.rows.from != 1) {
        turn(x, p.rows.from, p.columns.from, count, p.columns.size, y, p.rows.to);
      } else if (p.columns.size == 2 && p.rows.to == 2) {
        interleave2(x, p.columns.from, count, y);
      } else if (p.columns.size == 3 && p.rows.to == 3) {
        to_triples(x, p.columns.from, count, y);
      } else {
        turn(x, 1, p.columns.from, count, p.columns.size, y, p.rows.to);
      }
      if (i % pieces == pieces - 1) at.next();
    }
  });
}

template <typename T>
void copy_elements(const RunArgs& args, const CopyPlan& p, const CopyLoops& loops) {
  if (p.loop == CopyPlan::Loop::kPlanes) return turn_planes<T>(args, p, loops);
  copy_lines<T>(args, p);
}

// Several elements as one, aligned as any of them.
template <typename T>
struct [[gnu::packed]] Together {
  T value;
};

template <typename T>
void copy_elements_of(const RunArgs& args, const CopyPlan& p, const CopyLoops& loops) {
  const bool alone = p.width == static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  alone ? copy_elements<T>(args, p, loops) : copy_elements<Together<T>>(args, p, loops);
}

// Makes neighbouring elements that always go together one element of up to 8 bytes.
void widen(CopyPlan* plan, std::vector<Dim>* dims) {
  const int64_t run = dims->back().size;
  const auto whole = [&](int64_t distance) { return distance % run == 0; };
  const int64_t width = plan->width * run;
  if ((width != 2 && width != 4 && width != 8) || dims->size() < 2 || !whole(plan->offset) ||
      !std::all_of(dims->begin(), dims->end() - 1, [&](const Dim& d) { return whole(d.from); })) {
    return;
  }
  plan->width = width;
  plan->offset /= run;
  dims->pop_back();
  for (Dim& dim : *dims) dim.from /= run;
}

// `from` holds the distances of the output's dimensions in the input.
std::unique_ptr<Prepared> plan_copy(const OpDesc& op, int64_t offset,
                                    const std::vector<int64_t>& from) {
  const Shape& y = op.outputs[0].shape;
  auto plan = std::make_unique<CopyPlan>();
  plan->width = static_cast<int64_t>(dtype_size(op.inputs[0].dtype));
  plan->offset = offset;
  if (y.elements() == 0) {
    plan->outer_count = 0;
    return plan;
  }
  std::vector<Dim> dims;
  for (int d = 0; d < y.rank(); ++d) {
    if (y[d] == 1) continue;
    const Dim dim{y[d], from[static_cast<size_t>(d)]};
    if (!dims.empty() && dims.back().from == dim.from * dim.size) {
      dims.back() = {dims.back().size * dim.size, dim.from};
    } else {
      dims.push_back(dim);
    }
  }
  if (dims.empty()) dims.push_back({1, 1});
  if (dims.back().from == 1) widen(plan.get(), &dims);
  int64_t to = 1;
  for (size_t d = dims.size(); d-- > 0; to *= dims[d].size) dims[d].to = to;

  plan->columns = dims.back();
  dims.pop_back();
  const auto nearest = std::min_element(dims.begin(), dims.end(), [](const Dim& a, const Dim& b) {
    // 0, a repetition, is no neighbour.
    return std::abs(a.from) - 1ULL < std::abs(b.from) - 1ULL;
  });
  if (plan->columns.from == 1) {
    plan->run = plan->columns.size;
  } else if (nearest != dims.end() && std::abs(nearest->from) < std::abs(plan->columns.from) &&
             nearest->from != 0) {
    plan->loop = CopyPlan::Loop::kPlanes;
    plan->rows = *nearest;
    dims.erase(nearest);
  } else {
    plan->loop = CopyPlan::Loop::kLines;
  }
  for (const Dim& dim : dims) plan->outer_count *= dim.size;
  plan->outer = std::move(dims);
  return plan;
}

std::vector<int64_t> row_major(const Shape& shape) {
  std::vector<int64_t> strides(static_cast<size_t>(shape.rank()), 1);
  for (int d = shape.rank() - 1; d-- > 0;) {
    strides[static_cast<size_t>(d)] = strides[static_cast<size_t>(d) + 1] * shape[d + 1];
  }
  return strides;
}

}  // namespace

bool accepts_copy(const OpDesc& op) { return op.inputs[0].dtype == op.outputs[0].dtype; }

double copy_cost(const OpDesc& op) { return static_cast<double>(op.outputs[0].elements()); }

std::unique_ptr<Prepared> plan_transpose(const OpDesc& op, const PackedWeights*) {
  const std::vector<int64_t> strides = row_major(op.inputs[0].shape);
  std::vector<int64_t> from;
  for (const int p : op.attrs_as<TransposeAttrs>().perm) {
    from.push_back(strides[static_cast<size_t>(p)]);
  }
  return plan_copy(op, 0, from);
}

std::unique_ptr<Prepared> plan_slice(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<SliceAttrs>();
  std::vector<int64_t> from = row_major(op.inputs[0].shape);
  int64_t offset = 0;
  for (size_t d = 0; d < from.size(); ++d) {
    offset += attrs.begin[d] * from[d];
    from[d] *= attrs.step[d];
  }
  return plan_copy(op, offset, from);
}

std::unique_ptr<Prepared> plan_expand(const OpDesc& op, const PackedWeights*) {
  const Shape& x = op.inputs[0].shape;
  std::vector<int64_t> strides = row_major(x);
  for (int d = 0; d < x.rank(); ++d) {
    if (x[d] == 1) strides[static_cast<size_t>(d)] = 0;
  }
  std::vector<int64_t> from(static_cast<size_t>(op.outputs[0].shape.rank() - x.rank()), 0);
  from.insert(from.end(), strides.begin(), strides.end());
  return plan_copy(op, 0, from);
}

std::unique_ptr<Prepared> plan_strided_copy(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<StridedCopyAttrs>();
  std::vector<int64_t> from = attrs.strides;
  if (attrs.each_slice) from.insert(from.begin(), row_major(op.inputs[0].shape)[0]);
  return plan_copy(op, attrs.offset, from);
}

void run_strided_copy(const RunArgs& args) {
  constexpr CopyLoops kLoops = {interleave3<uint8_t>, interleave3<uint32_t>};
  run_strided_copy_with(kLoops, args);
}

void run_strided_copy_with(const CopyLoops& loops, const RunArgs& args) {
  const auto& plan = static_cast<const CopyPlan&>(*args.prepared);
  if (plan.outer_count == 0) return;
  if (plan.loop == CopyPlan::Loop::kRuns) return copy_runs(args, plan);
  switch (plan.width) {
    case 1:
      return copy_elements<uint8_t>(args, plan, loops);
    case 2:
      return copy_elements_of<uint16_t>(args, plan, loops);
    case 4:
      return copy_elements_of<uint32_t>(args, plan, loops);
    default:
      return copy_elements_of<uint64_t>(args, plan, loops);
  }
}

}  // namespace inferd::kernels::generic
