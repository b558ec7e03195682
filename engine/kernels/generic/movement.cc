// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/movement.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "engine/kernels/candidates.h"
#include "engine/kernels/generic/copy_bytes.h"
#include "engine/kernels/generic/turn_block.h"

namespace inferd::kernels::generic {
namespace {

constexpr int64_t kBytesPerTask = 16384;

int64_t width_of(const Operand& x) { return static_cast<int64_t>(dtype_size(x.dtype)); }

// How many runs of `bytes` make it worth while to wake another thread.
int64_t grain_of(int64_t bytes) {
  return std::max<int64_t>(kBytesPerTask / std::max<int64_t>(bytes, 1), 1);
}

struct ConcatPlan final : Prepared {
  struct Part {
    size_t input;
    int64_t bytes;  // of a row
    int64_t at;     // in the output's row
  };
  std::vector<Part> parts;
  int64_t rows = 0;
  int64_t row = 0;  // bytes
};

struct PadPlan final : Prepared {
  struct Dim {
    int64_t size;  // of the input
    int64_t before;
    int64_t padded;  // of the output
  };
  std::vector<Dim> outer;                  // outermost first
  int64_t rows = 1;                        // product of the outer dimensions of the output
  int64_t before = 0, run = 0, after = 0;  // elements of the innermost
  int64_t width = 1;
  alignas(64) std::array<std::byte, 64> elements{};  // what it is padded with, over and over
};

// Steps through the outer dimensions of the output.
class PaddedRow {
 public:
  PaddedRow(const std::vector<PadPlan::Dim>& dims, int64_t start) : dims_(dims) {
    for (size_t d = dims_.size(); d-- > 0; start /= dims_[d].padded) {
      index_[d] = start % dims_[d].padded;
    }
    find();
  }
  void next() {
    size_t d = dims_.size();
    for (; d > 0 && ++index_[d - 1] == dims_[d - 1].padded; --d) index_[d - 1] = 0;
    // Along the innermost dimension, where nothing else changed, the input's row is the next one.
    if (d > 0 && d == dims_.size() && inside_ &&
        index_[d - 1] - dims_[d - 1].before < dims_[d - 1].size) {
      ++from_;
    } else {
      find();
    }
  }
  bool inside() const { return inside_; }
  int64_t from() const { return from_; }  // row of the input, when inside

 private:
  void find() {
    from_ = 0;
    inside_ = true;
    for (size_t d = 0; d < dims_.size(); ++d) {
      const int64_t at = index_[d] - dims_[d].before;
      inside_ = inside_ && at >= 0 && at < dims_[d].size;
      from_ = from_ * dims_[d].size + at;
    }
  }

  const std::vector<PadPlan::Dim>& dims_;
  std::array<int64_t, kMaxRank> index_{};
  int64_t from_ = 0;
  bool inside_ = true;
};

// `bytes` of padding.
void fill(std::byte* y, int64_t bytes, const PadPlan& p) {
  const auto whole = static_cast<int64_t>(p.elements.size());
  for (; bytes > whole; bytes -= whole, y += whole)
    std::memcpy(y, p.elements.data(), p.elements.size());
  copy_bytes(p.elements.data(), y, bytes);
}

// What the reference pads with.
std::array<std::byte, 8> pad_element(const OpDesc& op) {
  OpDesc one = op;
  one.inputs[0].shape = {0};
  one.outputs[0].shape = {1};
  one.attrs = PadAttrs{{1}, {0}, op.attrs_as<PadAttrs>().value, PadMode::kConstant};
  std::array<std::byte, 8> element{};
  const std::array<const std::byte*, 1> in = {element.data()};
  const std::array<std::byte*, 1> out = {element.data()};
  run_reference(one, in, out);
  return element;
}

// Where the first of the highest of `count` numbers is.
template <typename T>
int64_t first_highest(const T* x, int64_t count) {
  int64_t best = 0;
  T most = x[0];
  for (int64_t j = 1; j < count; ++j) {
    best = x[j] > most ? j : best;
    most = x[j] > most ? x[j] : most;
  }
  return best;
}

// The same of as many rows at once as a register has lanes: their numbers are turned, so that each
// row has a lane. `count` is at least that many and no more than a lane can count.
template <typename T, typename Word>
void first_highest_of_rows(const T* x, int64_t count, Word* best) {
  constexpr int kLanes = 16 / int{sizeof(T)};
  using Numbers = typename Line<T, kLanes>::type;
  using Indices = typename Line<Word, kLanes>::type;
  Numbers most{};
  Indices at{};
  for (int64_t j = 0; j < count; j += kLanes) {
    const int64_t first = std::min(j, count - kLanes);  // the last ones may overlap
    Numbers lines[kLanes];
    for (int64_t row = 0; row < kLanes; ++row) {
      std::memcpy(&lines[row], x + row * count + first, sizeof lines[row]);
    }
    turn_block<T, kLanes>(lines);
    if (j == 0) most = lines[0];
    for (int64_t k = 0; k < kLanes; ++k) {
      const auto higher = lines[k] > most;
      at = higher ? static_cast<Word>(first + k) - Indices{} : at;
      most = higher ? lines[k] : most;
    }
  }
  std::memcpy(best, &at, sizeof at);
}

// Word: as wide as T.
template <typename T, typename Word, typename Index>
void arg_max(const RunArgs& args) {
  constexpr int64_t kLanes = 16 / int64_t{sizeof(T)};
  const int64_t count = args.op.inputs[0].shape.back();
  const bool fits = count >= kLanes && count - 1 <= int64_t{std::numeric_limits<Word>::max()};
  const T* const x = args.input<T>(0);
  Index* const y = args.output<Index>(0);
  args.parallel_for(args.op.outputs[0].elements(), grain_of(count * int64_t{sizeof(T)}),
                    [&](int64_t begin, int64_t end, int) {
                      int64_t i = begin;
                      for (; fits && i + kLanes <= end; i += kLanes) {
                        Word best[kLanes];
                        first_highest_of_rows(x + i * count, count, best);
                        std::copy_n(best, kLanes, y + i);
                      }
                      for (; i < end; ++i)
                        y[i] = static_cast<Index>(first_highest(x + i * count, count));
                    });
}

template <typename T, typename Word>
void arg_max(const RunArgs& args) {
  args.op.outputs[0].dtype == DType::kInt64 ? arg_max<T, Word, int64_t>(args)
                                            : arg_max<T, Word, int32_t>(args);
}

}  // namespace

bool accepts_concat(const OpDesc& op) {
  return std::all_of(op.inputs.begin(), op.inputs.end(), [&](const Operand& x) {
    return x.dtype == op.outputs[0].dtype && x.quantization == op.outputs[0].quantization;
  });
}

std::unique_ptr<Prepared> plan_concat(const OpDesc& op, const PackedWeights*) {
  const int axis = op.attrs_as<ConcatAttrs>().axis;
  auto plan = std::make_unique<ConcatPlan>();
  plan->rows = op.outputs[0].shape.elements(0, axis);
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const Shape& x = op.inputs[i].shape;
    const int64_t bytes = x.elements(axis, x.rank()) * width_of(op.inputs[i]);
    if (bytes > 0) plan->parts.push_back({i, bytes, plan->row});
    plan->row += bytes;
  }
  return plan;
}

void run_concat(const RunArgs& args) {
  const auto& p = static_cast<const ConcatPlan&>(*args.prepared);
  const auto parts = static_cast<int64_t>(p.parts.size());
  const auto placed = [&](const ConcatPlan::Part& part) {
    return part.input < 64 && (args.placed >> part.input & 1) != 0;
  };
  if (std::all_of(p.parts.begin(), p.parts.end(), placed)) return;
  args.parallel_for(p.rows * parts, grain_of(p.row / parts), [&](int64_t begin, int64_t end, int) {
    int64_t row = begin / parts;
    int64_t i = begin % parts;
    for (int64_t task = begin; task < end; ++task) {
      const ConcatPlan::Part& part = p.parts[static_cast<size_t>(i)];
      if (!placed(part)) {
        copy_bytes(args.inputs[part.input] + row * part.bytes,
                   args.outputs[0] + row * p.row + part.at, part.bytes);
      }
      if (++i == parts) {
        i = 0;
        ++row;
      }
    }
  });
}

bool accepts_pad(const OpDesc& op) {
  return op.attrs_as<PadAttrs>().mode == PadMode::kConstant && !op.has_input(1) &&
         reference(op) != nullptr;
}

std::unique_ptr<Prepared> plan_pad(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<PadAttrs>();
  const Shape& x = op.inputs[0].shape;
  auto plan = std::make_unique<PadPlan>();
  plan->width = width_of(op.inputs[0]);
  const std::array<std::byte, 8> element = pad_element(op);
  for (size_t i = 0; i < plan->elements.size(); ++i) {
    plan->elements[i] = element[i % static_cast<size_t>(plan->width)];
  }
  // Dimensions that are not padded go with the one around them.
  PadPlan::Dim inner{1, 0, 1};
  for (int d = x.rank(); d-- > 0;) {
    const auto i = static_cast<size_t>(d);
    if (inner.padded != inner.size) {
      plan->outer.insert(plan->outer.begin(), inner);
      inner = {1, 0, 1};
    }
    const int64_t padded = attrs.before[i] + x[d] + attrs.after[i];
    inner = {x[d] * inner.size, attrs.before[i] * inner.size, padded * inner.size};
  }
  plan->outer.insert(plan->outer.begin(), inner);
  inner = plan->outer.back();
  plan->outer.pop_back();
  plan->before = inner.before;
  plan->run = inner.size;
  plan->after = inner.padded - inner.before - inner.size;
  for (const PadPlan::Dim& dim : plan->outer) plan->rows *= dim.padded;
  return plan;
}

void run_pad(const RunArgs& args) {
  const auto& p = static_cast<const PadPlan&>(*args.prepared);
  const int64_t before = p.before * p.width;
  const int64_t run = p.run * p.width;
  const int64_t after = p.after * p.width;
  const int64_t row = before + run + after;
  if (row == 0) return;
  args.parallel_for(p.rows, grain_of(row), [=, &args, &p](int64_t begin, int64_t end, int) {
    PaddedRow at(p.outer, begin);
    std::byte* y = args.outputs[0] + begin * row;
    for (int64_t i = begin; i < end; ++i, at.next(), y += row) {
      if (!at.inside()) {
        fill(y, row, p);
        continue;
      }
      fill(y, before, p);
      copy_bytes(args.inputs[0] + at.from() * run, y + before, run);
      fill(y + before + run, after, p);
    }
  });
}

bool accepts_gather(const OpDesc& op) {
  const DType indices = op.inputs[1].dtype;
  return op.inputs[0].dtype == op.outputs[0].dtype && op.attrs_as<GatherAttrs>().batch_dims == 0 &&
         (indices == DType::kInt32 || indices == DType::kInt64);
}

// As the reference: an index counts from the end when negative; one that is still outside gives
// zeros.
void run_gather(const RunArgs& args) {
  const int axis = args.op.attrs_as<GatherAttrs>().axis;
  const Shape& x = args.op.inputs[0].shape;
  const int64_t count = args.op.inputs[1].elements();
  const int64_t bytes = x.elements(axis + 1, x.rank()) * width_of(args.op.inputs[0]);
  if (bytes == 0) return;
  const bool wide = args.op.inputs[1].dtype == DType::kInt64;
  args.parallel_for(
      x.elements(0, axis) * count, grain_of(bytes), [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          std::byte* const y = args.outputs[0] + i * bytes;
          int64_t index =
              wide ? args.input<int64_t>(1)[i % count] : int64_t{args.input<int32_t>(1)[i % count]};
          if (index < 0) index += x[axis];
          if (index < 0 || index >= x[axis]) {
            std::memset(y, 0, static_cast<size_t>(bytes));
          } else {
            copy_bytes(args.inputs[0] + (i / count * x[axis] + index) * bytes, y, bytes);
          }
        }
      });
}

bool accepts_arg_max(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const auto& attrs = op.attrs_as<ArgMaxAttrs>();
  return attrs.axis == x.shape.rank() - 1 && x.shape.back() > 0 && !attrs.smallest && !attrs.last &&
         (x.dtype == DType::kFloat32 || x.dtype == DType::kInt8 || x.dtype == DType::kUInt8);
}

void run_arg_max(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return arg_max<float, uint32_t>(args);
    case DType::kUInt8:
      return arg_max<uint8_t, uint8_t>(args);
    default:
      return arg_max<int8_t, uint8_t>(args);
  }
}

}  // namespace inferd::kernels::generic
