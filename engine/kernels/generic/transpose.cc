// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/transpose.h"

#include <algorithm>
#include <cstring>

namespace inferd::kernels::generic {
namespace {

// The output's dimensions after merging, outermost first, with the input's stride of each, in
// units of `unit` bytes. What is innermost in both is part of the unit.
struct TransposePlan final : Prepared {
  int64_t unit = 1;
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
  int64_t elements = 1;  // product of dims
  // The dimension that is innermost in the input; the last one when none is left to turn.
  size_t turned = 0;
};

struct Dim {
  int64_t size;
  int64_t stride;
};

std::vector<Dim> merged(const Shape& x, const std::vector<int>& perm) {
  std::vector<int64_t> strides(static_cast<size_t>(x.rank()), 1);
  for (int i = x.rank() - 2; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = strides[static_cast<size_t>(i) + 1] * x[i + 1];
  }
  std::vector<Dim> dims;
  for (int p : perm) {
    if (x[p] == 1) continue;
    const Dim dim{x[p], strides[static_cast<size_t>(p)]};
    if (!dims.empty() && dims.back().stride == dim.stride * dim.size) {
      dims.back() = {dims.back().size * dim.size, dim.stride};
    } else {
      dims.push_back(dim);
    }
  }
  return dims;
}

constexpr int64_t kSquare = 32;

// y[i * y_stride + j] = x[j * x_stride + i] for i < rows, j < columns.
template <typename T>
void turn(const T* x, int64_t x_stride, int64_t rows, int64_t columns, T* y, int64_t y_stride) {
  for (int64_t i0 = 0; i0 < rows; i0 += kSquare) {
    const int64_t i1 = std::min(i0 + kSquare, rows);
    for (int64_t j0 = 0; j0 < columns; j0 += kSquare) {
      const int64_t j1 = std::min(j0 + kSquare, columns);
      for (int64_t i = i0; i < i1; ++i) {
        for (int64_t j = j0; j < j1; ++j) y[i * y_stride + j] = x[j * x_stride + i];
      }
    }
  }
}

// Three planes to triples: how a picture becomes NHWC.
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

// Calls f(input offset) for each index of all dimensions but `skip` and the last, in output order,
// with the output's offset.
template <typename F>
void for_planes(const TransposePlan& p, size_t skip, int64_t begin, int64_t end, const F& f) {
  const size_t last = p.dims.size() - 1;
  for (int64_t plane = begin; plane < end; ++plane) {
    int64_t rest = plane;
    int64_t from = 0;
    int64_t to = 0;
    int64_t to_stride = p.dims[last];
    for (size_t d = last; d-- > 0; to_stride *= p.dims[d]) {
      if (d == skip) continue;
      const int64_t i = rest % p.dims[d];
      rest /= p.dims[d];
      from += i * p.strides[d];
      to += i * to_stride;
    }
    f(from, to);
  }
}

template <typename T>
void run_typed(const RunArgs& args, const TransposePlan& p) {
  const T* const x = args.input<T>(0);
  T* const y = args.output<T>(0);
  const size_t last = p.dims.size() - 1;
  const int64_t columns = p.dims[last];
  const int64_t rows = p.dims[p.turned];
  int64_t y_stride = columns;
  for (size_t d = last - 1; d > p.turned; --d) y_stride *= p.dims[d];
  const int64_t planes = p.elements / (rows * columns);
  // Pieces of rows, so that a single plane is split over threads too.
  constexpr int64_t kRows = 1024;
  const int64_t pieces = (rows + kRows - 1) / kRows;
  args.parallel_for(planes * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kRows;
      const int64_t count = std::min(kRows, rows - first);
      for_planes(p, p.turned, i / pieces, i / pieces + 1, [&](int64_t from, int64_t to) {
        const T* in = x + from + first;
        T* out = y + to + first * y_stride;
        if (columns == 3 && y_stride == 3) {
          interleave3(in, p.strides[last], count, out);
        } else {
          turn(in, p.strides[last], count, columns, out, y_stride);
        }
      });
    }
  });
}

// The unit is the run that both sides have; the last dimension is copied unit by unit.
void run_units(const RunArgs& args, const TransposePlan& p) {
  const size_t last = p.dims.size() - 1;
  const int64_t columns = p.dims[last];
  const int64_t planes = p.elements / columns;
  const int64_t grain = std::max<int64_t>(8192 / (columns * p.unit), 1);
  args.parallel_for(planes, grain, [&](int64_t begin, int64_t end, int) {
    for_planes(p, last, begin, end, [&](int64_t from, int64_t to) {
      const std::byte* in = args.inputs[0] + from * p.unit;
      std::byte* out = args.outputs[0] + to * p.unit;
      for (int64_t j = 0; j < columns; ++j, out += p.unit) {
        std::memcpy(out, in + j * p.strides[last] * p.unit, static_cast<size_t>(p.unit));
      }
    });
  });
}

}  // namespace

bool accepts_transpose(const OpDesc&) { return true; }

double transpose_cost(const OpDesc& op) { return static_cast<double>(op.outputs[0].elements()); }

std::unique_ptr<Prepared> plan_transpose(const OpDesc& op, const PackedWeights*) {
  const Operand& x = op.inputs[0];
  std::vector<Dim> dims = merged(x.shape, op.attrs_as<TransposeAttrs>().perm);
  auto plan = std::make_unique<TransposePlan>();
  plan->unit = static_cast<int64_t>(dtype_size(x.dtype));
  int64_t run = 1;
  if (!dims.empty() && dims.back().stride == 1) {
    run = dims.back().size;
    dims.pop_back();
  }
  plan->unit *= run;
  if (dims.empty()) dims.push_back({x.elements() == 0 ? 0 : 1, run});
  for (const Dim& dim : dims) {
    plan->dims.push_back(dim.size);
    plan->strides.push_back(dim.stride / run);
    plan->elements *= dim.size;
  }
  plan->turned = plan->dims.size() - 1;
  for (size_t d = 0; d + 1 < plan->dims.size(); ++d) {
    if (plan->strides[d] == 1) plan->turned = d;
  }
  return plan;
}

void run_transpose(const RunArgs& args) {
  const auto& plan = static_cast<const TransposePlan&>(*args.prepared);
  if (plan.elements == 0) return;
  const bool turns = plan.turned + 1 < plan.dims.size();
  switch (turns ? plan.unit : 0) {
    case 1:
      return run_typed<uint8_t>(args, plan);
    case 2:
      return run_typed<uint16_t>(args, plan);
    case 4:
      return run_typed<uint32_t>(args, plan);
    case 8:
      return run_typed<uint64_t>(args, plan);
    default:
      return run_units(args, plan);
  }
}

}  // namespace inferd::kernels::generic
