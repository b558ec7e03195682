// SPDX-License-Identifier: Apache-2.0
//
// Operators that move elements without looking at them: any type, by size.
#include <algorithm>

#include "engine/base/float16.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

bool same_type(const OpDesc& op) { return op.inputs[0].dtype == op.outputs[0].dtype; }

// Copies y[index] = x[start + sum(index * stride)], element sizes 1, 2, 4 and 8; a run of the last
// dimension that is contiguous goes in one piece.
template <typename T>
void gather_strided(const T* x, T* y, const Shape& shape, int64_t start, const Index& strides) {
  if (shape.rank() == 0) {
    y[0] = x[start];
    return;
  }
  const int64_t total = shape.elements();
  if (total == 0) return;
  const int64_t run = shape.back();
  const int64_t step = strides[static_cast<size_t>(shape.rank() - 1)];
  const Shape outer(shape.dims().first(static_cast<size_t>(shape.rank() - 1)));
  Index index{};
  std::array<int64_t, 1> at = {start};
  for (int64_t i = 0; i < total; i += run) {
    if (step == 1) {
      std::memcpy(y + i, x + at[0], static_cast<size_t>(run) * sizeof(T));
    } else {
      for (int64_t j = 0; j < run; ++j) y[i + j] = x[at[0] + j * step];
    }
    advance(outer, index, at, {strides});
  }
}

void gather_strided(const RunArgs& args, int64_t start, const Index& strides) {
  const Shape& y = args.op.outputs[0].shape;
  switch (dtype_size(args.op.inputs[0].dtype)) {
    case 1:
      return gather_strided(args.input<uint8_t>(0), args.output<uint8_t>(0), y, start, strides);
    case 2:
      return gather_strided(args.input<uint16_t>(0), args.output<uint16_t>(0), y, start, strides);
    case 4:
      return gather_strided(args.input<uint32_t>(0), args.output<uint32_t>(0), y, start, strides);
    default:
      return gather_strided(args.input<uint64_t>(0), args.output<uint64_t>(0), y, start, strides);
  }
}

// The stored form of PadAttrs::value, saturated.
std::array<std::byte, 8> pad_element(const Operand& x, float value) {
  std::array<std::byte, 8> bytes{};
  const auto put = [&](auto number) { std::memcpy(bytes.data(), &number, sizeof number); };
  if (x.dtype == DType::kFloat16) {
    put(float_to_half(value));
  } else if (x.dtype == DType::kBool) {
    put(static_cast<uint8_t>(value != 0 ? 1 : 0));
  } else if (x.quantization.empty()) {
    with_type(x.dtype, [&](auto type) { put(convert<decltype(type)>(value)); });
  } else {
    const double stored = std::nearbyint(value / x.quantization.scale()) +
                          static_cast<double>(x.quantization.zero_point());
    with_type(x.dtype, [&](auto type) { put(convert<decltype(type)>(stored)); });
  }
  return bytes;
}

// f(first element of a row of y, index of the row by dimension) for each row, which lies along the
// last dimension; a scalar is a row of one.
template <typename F>
void for_rows(const Shape& y, F f) {
  const auto outer_rank = static_cast<size_t>(std::max(y.rank() - 1, 0));
  const Shape outer(y.dims().first(outer_rank));
  const int64_t run = y.rank() == 0 ? 1 : y.back();
  const int64_t total = y.elements();
  Index index{};
  std::array<int64_t, 1> unused{};
  for (int64_t i = 0; i < total; i += run) {
    f(i, index);
    advance(outer, index, unused, {Index{}});
  }
}

int64_t modulo(int64_t i, int64_t n) { return (i % n + n) % n; }

// Which of `size` elements stands at place `i`, which may be before or behind them.
int64_t padded_index(PadMode mode, int64_t i, int64_t size) {
  if (mode == PadMode::kEdge) return std::clamp<int64_t>(i, 0, size - 1);
  if (mode == PadMode::kWrap) return modulo(i, size);
  // Mirrored over and over: there and back again. A reflection does not repeat its ends.
  const int64_t back = mode == PadMode::kSymmetric ? 2 * size - 1 : 2 * size - 2;
  const int64_t at = modulo(i, std::max<int64_t>(mode == PadMode::kSymmetric ? back + 1 : back, 1));
  return at < size ? at : back - at;
}

void pad_with_itself(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<PadAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const Shape& y = args.op.outputs[0].shape;
  const size_t size = dtype_size(args.op.inputs[0].dtype);
  const Index strides = strides_of(x);
  const auto from = [&](size_t d, int64_t i) {
    const int64_t at = padded_index(attrs.mode, i - attrs.before[d], x[static_cast<int>(d)]);
    return at * strides[d];
  };
  const auto last = static_cast<size_t>(std::max(y.rank() - 1, 0));
  const int64_t run = y.rank() == 0 ? 1 : y.back();
  for_rows(y, [&](int64_t first, const Index& index) {
    int64_t row = 0;
    for (size_t d = 0; d < last; ++d) row += from(d, index[d]);
    for (int64_t j = 0; j < run; ++j) {
      const int64_t at = y.rank() == 0 ? 0 : row + from(last, j);
      std::memcpy(args.outputs[0] + static_cast<size_t>(first + j) * size,
                  args.inputs[0] + static_cast<size_t>(at) * size, size);
    }
  });
}

}  // namespace

bool accepts_concat(const OpDesc& op) {
  return std::all_of(op.inputs.begin(), op.inputs.end(), [&](const Operand& x) {
    return x.dtype == op.outputs[0].dtype && x.quantization == op.outputs[0].quantization;
  });
}

void run_concat(const RunArgs& args) {
  const int axis = args.op.attrs_as<ConcatAttrs>().axis;
  const Shape& y = args.op.outputs[0].shape;
  const size_t size = dtype_size(args.op.outputs[0].dtype);
  const int64_t outer = y.elements(0, axis);
  const auto row = static_cast<size_t>(y.elements(axis, y.rank())) * size;
  size_t offset = 0;
  for (size_t i = 0; i < args.op.inputs.size(); ++i) {
    const Shape& x = args.op.inputs[i].shape;
    const auto bytes = static_cast<size_t>(x.elements(axis, x.rank())) * size;
    if (bytes == 0) continue;
    for (size_t r = 0; r < static_cast<size_t>(outer); ++r) {
      std::memcpy(args.outputs[0] + r * row + offset, args.inputs[i] + r * bytes, bytes);
    }
    offset += bytes;
  }
}

bool accepts_slice(const OpDesc& op) { return same_type(op); }

void run_slice(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<SliceAttrs>();
  Index strides = strides_of(args.op.inputs[0].shape);
  int64_t start = 0;
  for (size_t d = 0; d < attrs.begin.size(); ++d) {
    start += attrs.begin[d] * strides[d];
    strides[d] *= attrs.step[d];
  }
  gather_strided(args, start, strides);
}

bool accepts_trim(const OpDesc& op) { return same_type(op); }

void run_trim(const RunArgs& args) { gather_strided(args, 0, strides_of(args.op.inputs[0].shape)); }

bool accepts_transpose(const OpDesc& op) { return same_type(op); }

void run_transpose(const RunArgs& args) {
  const auto& perm = args.op.attrs_as<TransposeAttrs>().perm;
  const Index own = strides_of(args.op.inputs[0].shape);
  Index strides{};
  for (size_t d = 0; d < perm.size(); ++d) strides[d] = own[static_cast<size_t>(perm[d])];
  gather_strided(args, 0, strides);
}

bool accepts_strided_copy(const OpDesc& op) { return same_type(op); }

void run_strided_copy(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<StridedCopyAttrs>();
  Index strides{};
  size_t d = 0;
  if (attrs.each_slice) {
    const Shape& x = args.op.inputs[0].shape;
    strides[d++] = x.elements(1, x.rank());
  }
  for (const int64_t stride : attrs.strides) strides[d++] = stride;
  gather_strided(args, attrs.offset, strides);
}

bool accepts_expand(const OpDesc& op) { return same_type(op); }

void run_expand(const RunArgs& args) {
  gather_strided(args, 0, broadcast_strides(args.op.inputs[0].shape, args.op.outputs[0].shape));
}

bool accepts_reshape(const OpDesc& op) { return same_type(op); }

void run_reshape(const RunArgs& args) {
  if (const size_t bytes = args.op.outputs[0].bytes(); bytes != 0) {
    std::memmove(args.outputs[0], args.inputs[0], bytes);
  }
}

bool accepts_pad(const OpDesc& op) {
  const Quantization& q = op.inputs[0].quantization;
  return same_type(op) && q == op.outputs[0].quantization && !q.per_channel();
}

void run_pad(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<PadAttrs>();
  if (attrs.mode != PadMode::kConstant) return pad_with_itself(args);
  const Operand& x = args.op.inputs[0];
  const Shape& y = args.op.outputs[0].shape;
  const size_t size = dtype_size(x.dtype);
  std::array<std::byte, 8> element = pad_element(x, attrs.value);
  if (args.op.has_input(1)) std::memcpy(element.data(), args.inputs[1], size);
  const auto total = static_cast<size_t>(y.elements());
  for (size_t i = 0; i < total; ++i) std::memcpy(args.outputs[0] + i * size, element.data(), size);
  if (x.elements() == 0) return;

  const int64_t run = x.shape.rank() == 0 ? 1 : x.shape.back();
  const auto outer_rank = static_cast<size_t>(std::max(x.shape.rank() - 1, 0));
  const Shape outer(x.shape.dims().first(outer_rank));
  const Index strides = strides_of(y);
  std::array<int64_t, 1> at{};
  for (size_t d = 0; d < attrs.before.size(); ++d) at[0] += attrs.before[d] * strides[d];
  Index index{};
  for (int64_t i = 0; i < x.elements(); i += run) {
    std::memcpy(args.outputs[0] + static_cast<size_t>(at[0]) * size,
                args.inputs[0] + static_cast<size_t>(i) * size, static_cast<size_t>(run) * size);
    advance(outer, index, at, {strides});
  }
}

bool accepts_tile(const OpDesc& op) { return same_type(op); }

void run_tile(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const Shape& y = args.op.outputs[0].shape;
  const size_t size = dtype_size(args.op.inputs[0].dtype);
  const Index strides = strides_of(x);
  const int64_t run = x.rank() == 0 ? 1 : x.back();
  const int64_t row = y.rank() == 0 ? 1 : y.back();
  for_rows(y, [&](int64_t first, const Index& index) {
    int64_t from = 0;
    for (int d = 0; d < x.rank() - 1; ++d) {
      from += index[static_cast<size_t>(d)] % x[d] * strides[static_cast<size_t>(d)];
    }
    for (int64_t j = 0; j < row; j += run) {
      std::memcpy(args.outputs[0] + static_cast<size_t>(first + j) * size,
                  args.inputs[0] + static_cast<size_t>(from) * size,
                  static_cast<size_t>(run) * size);
    }
  });
}

bool accepts_reverse_sequence(const OpDesc& op) { return same_type(op) && is_index(op.inputs[1]); }

// A length outside of the time dimension is clipped to it.
void run_reverse_sequence(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<ReverseSequenceAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const auto batch = static_cast<size_t>(attrs.batch_axis);
  const auto time = static_cast<size_t>(attrs.time_axis);
  const size_t size = dtype_size(args.op.inputs[0].dtype);
  const int64_t step = strides_of(x)[time];
  const Index unmoved{};
  Index index{};
  std::array<int64_t, 1> unused{};
  for (int64_t i = 0; i < x.elements(); ++i, advance(x, index, unused, {unmoved})) {
    const int64_t length =
        std::clamp<int64_t>(index_at(args, 1, index[batch]), 0, x[attrs.time_axis]);
    const int64_t at = index[time];
    const int64_t from = at < length ? i + (length - 1 - 2 * at) * step : i;
    std::memcpy(args.outputs[0] + static_cast<size_t>(i) * size,
                args.inputs[0] + static_cast<size_t>(from) * size, size);
  }
}

bool accepts_trilu(const OpDesc& op) { return same_type(op) && op.inputs[0].quantization.empty(); }

void run_trilu(const RunArgs& args) {
  constexpr int64_t kFar = int64_t{1} << 62;  // beyond any matrix, and sums do not overflow
  const bool upper = args.op.attrs_as<TriluAttrs>().upper;
  const int64_t diagonal =
      args.op.has_input(1) ? std::clamp(args.input<int64_t>(1)[0], -kFar, kFar) : 0;
  const Shape& x = args.op.inputs[0].shape;
  const auto size = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  const int64_t columns = x.back();
  for_rows(x, [&](int64_t first, const Index& index) {
    const int64_t row = index[static_cast<size_t>(x.rank() - 2)];
    // Columns [begin, end) stay.
    const int64_t border = std::clamp<int64_t>(row + diagonal + (upper ? 0 : 1), 0, columns);
    const int64_t begin = upper ? border : 0;
    const int64_t end = upper ? columns : border;
    std::byte* const y = args.outputs[0] + first * size;
    std::memset(y, 0, static_cast<size_t>(columns * size));
    std::memcpy(y + begin * size, args.inputs[0] + (first + begin) * size,
                static_cast<size_t>((end - begin) * size));
  });
}

bool accepts_shape(const OpDesc& op) { return op.outputs[0].dtype == DType::kInt64; }

void run_shape(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  std::copy(x.begin(), x.end(), args.output<int64_t>(0));
}

}  // namespace inferd::kernels::ref
