// SPDX-License-Identifier: Apache-2.0
//
// Operators that read or write where indices say. An index counts from the end when negative. Data
// can never make a read or write out of bounds: what an index outside asks for is zeros, and what
// it would write is left out.
#include <algorithm>

#include "engine/base/float16.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

constexpr int64_t kOutside = -1;

bool same_type(const OpDesc& op) { return op.inputs[0].dtype == op.outputs[0].dtype; }

// `index` along a dimension of `size`, or kOutside.
int64_t inside(int64_t index, int64_t size) {
  if (index < 0) index += size;
  return index >= 0 && index < size ? index : kOutside;
}

// From `from` when that is inside of a tensor.
void copy_or_clear(std::byte* to, const std::byte* from, bool inside, size_t bytes) {
  if (inside) {
    std::memcpy(to, from, bytes);
  } else {
    std::memset(to, 0, bytes);
  }
}

// f(i, element of x that element i of the indices leads to, or kOutside): the same place as in the
// indices but along `axis`.
template <typename F>
void for_indexed_elements(const RunArgs& args, int axis, F f) {
  const Shape& x = args.op.inputs[0].shape;
  const Shape& indices = args.op.inputs[1].shape;
  Index strides = strides_of(x);
  const int64_t step = std::exchange(strides[static_cast<size_t>(axis)], 0);
  Index index{};
  std::array<int64_t, 1> base{};
  const int64_t count = indices.elements();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t along = inside(index_at(args, 1, i), x[axis]);
    f(i, along == kOutside ? kOutside : base[0] + along * step);
    advance(indices, index, base, {strides});
  }
}

// f(row, first element of the slice of x that a row of the indices leads to, or kOutside), where
// the first `batch_dims` dimensions are shared.
template <typename F>
void for_indexed_slices(const RunArgs& args, int batch_dims, F f) {
  const Shape& x = args.op.inputs[0].shape;
  const Shape& indices = args.op.inputs[1].shape;
  const int last = indices.rank() - 1;
  const int64_t length = indices[last];
  const int64_t rows = indices.elements(0, last);
  const int64_t rows_per_batch = indices.elements(batch_dims, last);
  const int64_t batch_step = x.elements(batch_dims, x.rank());
  const Index strides = strides_of(x);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = row / rows_per_batch * batch_step;
    for (int64_t k = 0; k < length; ++k) {
      const int d = batch_dims + static_cast<int>(k);
      const int64_t along = inside(index_at(args, 1, row * length + k), x[d]);
      at = along == kOutside || at == kOutside ? kOutside
                                               : at + along * strides[static_cast<size_t>(d)];
    }
    f(row, at);
  }
}

// Elements of a slice that a row of indices leads to.
int64_t slice_elements(const OpDesc& op, int batch_dims) {
  const Shape& x = op.inputs[0].shape;
  return x.elements(batch_dims + static_cast<int>(op.inputs[1].shape.back()), x.rank());
}

template <typename Number>
Number reduced(ScatterReduction reduction, Number a, Number b) {
  const auto wrapped = [](auto f, Number x, Number y) {
    if constexpr (std::is_integral_v<Number>) {  // overflow wraps around
      return static_cast<Number>(f(static_cast<uint64_t>(x), static_cast<uint64_t>(y)));
    } else {
      return f(x, y);
    }
  };
  switch (reduction) {
    case ScatterReduction::kAdd:
      return wrapped([](auto x, auto y) { return x + y; }, a, b);
    case ScatterReduction::kMul:
      return wrapped([](auto x, auto y) { return x * y; }, a, b);
    case ScatterReduction::kMax:
      return std::max(a, b);
    case ScatterReduction::kMin:
      return std::min(a, b);
    case ScatterReduction::kNone:
      break;
  }
  return b;
}

// Brings `count` updates to elements of y.
void update(const RunArgs& args, int64_t to, int64_t from, int64_t count) {
  const ScatterReduction reduction = args.op.attrs_as<ScatterAttrs>().reduction;
  const DType dtype = args.op.inputs[0].dtype;
  if (reduction == ScatterReduction::kNone) {
    const auto size = static_cast<int64_t>(dtype_size(dtype));
    std::memcpy(args.outputs[0] + to * size, args.inputs[2] + from * size,
                static_cast<size_t>(count * size));
    return;
  }
  with_number(dtype, [&](auto type) {
    using T = decltype(type);
    T* const y = args.output<T>(0) + to;
    const T* const updates = args.input<T>(2) + from;
    for (int64_t i = 0; i < count; ++i) {
      y[i] = from_number<T>(reduced(reduction, to_number(y[i]), to_number(updates[i])));
    }
  });
}

void copy_input(const RunArgs& args) {
  if (const size_t bytes = args.op.outputs[0].bytes(); bytes != 0) {
    std::memcpy(args.outputs[0], args.inputs[0], bytes);
  }
}

bool accepts_scatter(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const bool numbers = x.quantization.empty() && x.dtype != DType::kBool;
  return same_type(op) && is_index(op.inputs[1]) && op.inputs[2].dtype == x.dtype &&
         op.inputs[2].quantization == x.quantization &&
         (numbers || op.attrs_as<ScatterAttrs>().reduction == ScatterReduction::kNone);
}

}  // namespace

bool accepts_gather(const OpDesc& op) { return same_type(op) && is_index(op.inputs[1]); }

void run_gather(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<GatherAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const Shape& indices = args.op.inputs[1].shape;
  const int64_t batches = x.elements(0, attrs.batch_dims);
  const int64_t outer = x.elements(attrs.batch_dims, attrs.axis);
  const int64_t size = x[attrs.axis];
  const int64_t count = indices.elements(attrs.batch_dims, indices.rank());
  const auto bytes = static_cast<size_t>(x.elements(attrs.axis + 1, x.rank())) *
                     dtype_size(args.op.inputs[0].dtype);
  if (bytes == 0) return;
  std::byte* out = args.outputs[0];
  for (int64_t o = 0; o < batches * outer; ++o) {
    const int64_t first = o / outer * count;
    for (int64_t i = 0; i < count; ++i, out += bytes) {
      const int64_t at = inside(index_at(args, 1, first + i), size);
      const int64_t from = at == kOutside ? 0 : o * size + at;
      copy_or_clear(out, args.inputs[0] + static_cast<size_t>(from) * bytes, at != kOutside, bytes);
    }
  }
}

bool accepts_gather_elements(const OpDesc& op) { return accepts_gather(op); }

void run_gather_elements(const RunArgs& args) {
  const auto size = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  for_indexed_elements(args, args.op.attrs_as<GatherAttrs>().axis, [&](int64_t i, int64_t from) {
    copy_or_clear(args.outputs[0] + i * size, args.inputs[0] + std::max<int64_t>(from, 0) * size,
                  from != kOutside, static_cast<size_t>(size));
  });
}

bool accepts_gather_nd(const OpDesc& op) { return accepts_gather(op); }

void run_gather_nd(const RunArgs& args) {
  const int batch_dims = args.op.attrs_as<GatherNdAttrs>().batch_dims;
  const auto size = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  const int64_t bytes = slice_elements(args.op, batch_dims) * size;
  if (bytes == 0) return;
  for_indexed_slices(args, batch_dims, [&](int64_t row, int64_t from) {
    copy_or_clear(args.outputs[0] + row * bytes, args.inputs[0] + std::max<int64_t>(from, 0) * size,
                  from != kOutside, static_cast<size_t>(bytes));
  });
}

bool accepts_scatter_elements(const OpDesc& op) { return accepts_scatter(op); }

void run_scatter_elements(const RunArgs& args) {
  copy_input(args);
  for_indexed_elements(args, args.op.attrs_as<ScatterAttrs>().axis, [&](int64_t i, int64_t to) {
    if (to != kOutside) update(args, to, i, 1);
  });
}

bool accepts_scatter_nd(const OpDesc& op) { return accepts_scatter(op); }

void run_scatter_nd(const RunArgs& args) {
  copy_input(args);
  const int64_t count = slice_elements(args.op, 0);
  if (count == 0) return;
  for_indexed_slices(args, 0, [&](int64_t row, int64_t to) {
    if (to != kOutside) update(args, to, row * count, count);
  });
}

bool accepts_update_slice(const OpDesc& op) {
  return same_type(op) && op.inputs[1].dtype == op.inputs[0].dtype &&
         op.inputs[1].quantization == op.inputs[0].quantization && is_index(op.inputs[2]);
}

void run_update_slice(const RunArgs& args) {
  copy_input(args);
  const Shape& x = args.op.inputs[0].shape;
  const Shape& part = args.op.inputs[1].shape;
  const auto size = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  const Index strides = strides_of(x);
  std::array<int64_t, 1> to{};
  for (int d = 0; d < x.rank(); ++d) {
    const int64_t start = std::clamp<int64_t>(index_at(args, 2, d), 0, x[d] - part[d]);
    to[0] += start * strides[static_cast<size_t>(d)];
  }
  const int64_t count = part.elements();
  Index index{};
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(args.outputs[0] + to[0] * size, args.inputs[1] + i * size,
                static_cast<size_t>(size));
    advance(part, index, to, {strides});
  }
}

bool accepts_one_hot(const OpDesc& op) {
  return op.inputs[0].dtype != DType::kFloat16 && op.inputs[2].dtype == op.outputs[0].dtype;
}

void run_one_hot(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<OneHotAttrs>();
  const Shape& y = args.op.outputs[0].shape;
  const int64_t depth = y[attrs.axis];
  const int64_t inner = y.elements(attrs.axis + 1, y.rank());
  const auto size = static_cast<int64_t>(dtype_size(args.op.outputs[0].dtype));
  const auto put = [&](int64_t i, int64_t which) {
    std::memcpy(args.outputs[0] + i * size, args.inputs[2] + which * size,
                static_cast<size_t>(size));
  };
  const int64_t total = y.elements();
  for (int64_t i = 0; i < total; ++i) put(i, 0);
  const int64_t count = args.op.inputs[0].elements();
  with_type(args.op.inputs[0].dtype, [&](auto type) {
    const auto* indices = args.input<decltype(type)>(0);
    for (int64_t i = 0; i < count; ++i) {
      const auto index = convert<int64_t>(indices[i]);
      const int64_t at = index < 0 && !attrs.negative_from_end ? kOutside : inside(index, depth);
      if (at != kOutside) put((i / inner * depth + at) * inner + i % inner, 1);
    }
  });
}

bool accepts_range(const OpDesc& op) {
  const DType type = op.outputs[0].dtype;
  return same_type(op) && type != DType::kFloat16 && type != DType::kBool;
}

void run_range(const RunArgs& args) {
  const int64_t count = args.op.outputs[0].elements();
  with_type(args.op.outputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T start = args.input<T>(0)[0];
    const T delta = args.input<T>(2)[0];
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_integral_v<T>) {
        args.output<T>(0)[i] = static_cast<T>(
            static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
      } else {
        args.output<T>(0)[i] = start + static_cast<T>(i) * delta;
      }
    }
  });
}

}  // namespace inferd::kernels::ref
