// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/movement.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/kernels/candidates.h"
#include "engine/kernels/generic/copy_bytes.h"

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
  std::array<std::byte, 8> element{};
};

template <typename T>
void fill(std::byte* y, int64_t count, const std::array<std::byte, 8>& element) {
  T value;
  std::memcpy(&value, element.data(), sizeof value);
  std::fill_n(reinterpret_cast<T*>(y), count, value);
}

void fill(std::byte* y, int64_t count, const PadPlan& p) {
  switch (p.width) {
    case 1:
      return fill<uint8_t>(y, count, p.element);
    case 2:
      return fill<uint16_t>(y, count, p.element);
    case 4:
      return fill<uint32_t>(y, count, p.element);
    default:
      return fill<uint64_t>(y, count, p.element);
  }
}

// What the reference pads with.
std::array<std::byte, 8> pad_element(const OpDesc& op) {
  OpDesc one = op;
  one.inputs[0].shape = {0};
  one.outputs[0].shape = {1};
  one.attrs = PadAttrs{{1}, {0}, op.attrs_as<PadAttrs>().value};
  std::array<std::byte, 8> element{};
  const std::array<const std::byte*, 1> in = {element.data()};
  const std::array<std::byte*, 1> out = {element.data()};
  ThreadPool pool(1);
  reference(one)->run({.op = one,
                       .packed = nullptr,
                       .prepared = nullptr,
                       .inputs = in,
                       .outputs = out,
                       .scratch = nullptr,
                       .pool = pool});
  return element;
}

template <typename T, typename Index>
void arg_max(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const int64_t count = x.back();
  args.parallel_for(args.op.outputs[0].elements(), grain_of(count * int64_t{sizeof(T)}),
                    [&](int64_t begin, int64_t end, int) {
                      for (int64_t i = begin; i < end; ++i) {
                        const T* const row = args.input<T>(0) + i * count;
                        T most = row[0];
                        int64_t best = 0;
                        for (int64_t j = 1; j < count; ++j) {
                          best = row[j] > most ? j : best;
                          most = row[j] > most ? row[j] : most;
                        }
                        args.output<Index>(0)[i] = static_cast<Index>(best);
                      }
                    });
}

template <typename T>
void arg_max(const RunArgs& args) {
  args.op.outputs[0].dtype == DType::kInt64 ? arg_max<T, int64_t>(args) : arg_max<T, int32_t>(args);
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
  if (parts == 0) return;
  args.parallel_for(p.rows * parts, grain_of(p.row / parts), [&](int64_t begin, int64_t end, int) {
    int64_t row = begin / parts;
    int64_t i = begin % parts;
    for (int64_t task = begin; task < end; ++task) {
      const ConcatPlan::Part& part = p.parts[static_cast<size_t>(i)];
      copy_bytes(args.inputs[part.input] + row * part.bytes,
                 args.outputs[0] + row * p.row + part.at, part.bytes);
      if (++i == parts) {
        i = 0;
        ++row;
      }
    }
  });
}

bool accepts_pad(const OpDesc& op) { return reference(op) != nullptr; }

std::unique_ptr<Prepared> plan_pad(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<PadAttrs>();
  const Shape& x = op.inputs[0].shape;
  auto plan = std::make_unique<PadPlan>();
  plan->width = width_of(op.inputs[0]);
  plan->element = pad_element(op);
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
  const int64_t row = p.before + p.run + p.after;
  if (row == 0) return;
  args.parallel_for(p.rows, grain_of(row * p.width), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      std::byte* const y = args.outputs[0] + i * row * p.width;
      int64_t from = 0;  // row of the input
      int64_t step = 1;
      int64_t rest = i;
      bool inside = true;
      for (size_t d = p.outer.size(); d-- > 0; rest /= p.outer[d].padded) {
        const int64_t at = rest % p.outer[d].padded - p.outer[d].before;
        inside &= at >= 0 && at < p.outer[d].size;
        from += at * step;
        step *= p.outer[d].size;
      }
      if (!inside) {
        fill(y, row, p);
        continue;
      }
      fill(y, p.before, p);
      const int64_t bytes = p.run * p.width;
      if (bytes > 0) {
        copy_bytes(args.inputs[0] + from * bytes, y + p.before * p.width, bytes);
      }
      fill(y + (p.before + p.run) * p.width, p.after, p);
    }
  });
}

bool accepts_gather(const OpDesc& op) {
  const DType indices = op.inputs[1].dtype;
  return op.inputs[0].dtype == op.outputs[0].dtype &&
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
  return op.attrs_as<ArgMaxAttrs>().axis == x.shape.rank() - 1 && x.shape.back() > 0 &&
         (x.dtype == DType::kFloat32 || x.dtype == DType::kInt8 || x.dtype == DType::kUInt8);
}

void run_arg_max(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return arg_max<float>(args);
    case DType::kUInt8:
      return arg_max<uint8_t>(args);
    default:
      return arg_max<int8_t>(args);
  }
}

}  // namespace inferd::kernels::generic
