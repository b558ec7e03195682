// SPDX-License-Identifier: Apache-2.0
//
// Changes of type: cast, quantize, dequantize, requantize.
#include <cmath>
#include <limits>

#include "engine/base/float16.h"
#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// Per-channel parameters along an axis: the parameter index of element i.
struct Channels {
  int64_t inner = 1, count = 1;

  explicit Channels(const Operand& x) {
    if (!x.quantization.per_channel()) return;
    inner = x.shape.elements(x.quantization.axis + 1, x.shape.rank());
    count = x.shape[x.quantization.axis];
  }
  size_t operator()(int64_t i) const { return static_cast<size_t>(i / inner % count); }
};

template <typename T>
void dequantize_as(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Channels channel(x);
  const int64_t count = x.elements();
  for (int64_t i = 0; i < count; ++i) {
    const size_t c = channel(i);
    // 64 bits: an int32 value minus a zero point may leave int32.
    const int64_t distance = int64_t{args.input<T>(0)[i]} - x.quantization.zero_points[c];
    args.output<float>(0)[i] = x.quantization.scales[c] * static_cast<float>(distance);
  }
}

}  // namespace

bool accepts_cast(const OpDesc&) { return true; }

void run_cast(const RunArgs& args) {
  const DType from = args.op.inputs[0].dtype;
  const DType to = args.op.outputs[0].dtype;
  const int64_t count = args.op.inputs[0].elements();
  const auto store = [&](int64_t i, auto value) {
    if (to == DType::kFloat16) {
      args.output<uint16_t>(0)[i] = float_to_half(static_cast<float>(value));
    } else if (to == DType::kBool) {
      args.output<uint8_t>(0)[i] = value != 0 ? 1 : 0;
    } else {
      with_type(to, [&](auto type) {
        args.output<decltype(type)>(0)[i] = convert<decltype(type)>(value);
      });
    }
  };
  if (from == DType::kFloat16) {
    for (int64_t i = 0; i < count; ++i) store(i, half_to_float(args.input<uint16_t>(0)[i]));
    return;
  }
  with_type(from, [&](auto type) {
    for (int64_t i = 0; i < count; ++i) store(i, args.input<decltype(type)>(0)[i]);
  });
}

bool accepts_quantize(const OpDesc& op) {
  const DType y = op.outputs[0].dtype;
  const bool integer = is_8bit(y) || y == DType::kInt16 || y == DType::kUInt16;
  return is_float(op.inputs[0]) && integer && !op.outputs[0].quantization.empty();
}

void run_quantize(const RunArgs& args) {
  const Operand& y = args.op.outputs[0];
  const Channels channel(y);
  const QuantRange range = type_range(y.dtype);
  const int64_t count = y.elements();
  for (int64_t i = 0; i < count; ++i) {
    const size_t c = channel(i);
    store_stored(args.outputs[0], i, y.dtype,
                 quantize(args.input<float>(0)[i], y.quantization.scales[c],
                          y.quantization.zero_points[c], range));
  }
}

bool accepts_dequantize(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  if (!is_float(op.outputs[0])) return false;
  if (x.dtype == DType::kFloat16) return true;
  return (is_8bit(x.dtype) || x.dtype == DType::kInt16 || x.dtype == DType::kUInt16 ||
          x.dtype == DType::kInt32) &&
         !x.quantization.empty();
}

void run_dequantize(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kInt8:
      return dequantize_as<int8_t>(args);
    case DType::kUInt8:
      return dequantize_as<uint8_t>(args);
    case DType::kInt16:
      return dequantize_as<int16_t>(args);
    case DType::kUInt16:
      return dequantize_as<uint16_t>(args);
    case DType::kInt32:
      return dequantize_as<int32_t>(args);
    default:
      break;
  }
  const int64_t count = args.op.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i) {
    args.output<float>(0)[i] = half_to_float(args.input<uint16_t>(0)[i]);
  }
}

bool accepts_requantize(const OpDesc& op) {
  return is_stored(op.inputs[0]) && is_stored(op.outputs[0]);
}

void run_requantize(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const float m = x.quantization.scale() / y.quantization.scale();
  const QuantRange range = type_range(y.dtype);
  const int64_t count = x.elements();
  const bool fixed = args.op.attrs_as<RequantizeAttrs>().rounding == Rounding::kFixedPoint &&
                     is_8bit(x.dtype) && x.dtype == y.dtype && requantizes_in_fixed_point(m);
  const int32_t multiplier = fixed ? requantize_multiplier(m) : 0;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t distance = load_stored(args.inputs[0], i, x.dtype) - x.quantization.zero_point();
    if (fixed) {
      store_stored(args.outputs[0], i, y.dtype,
                   requantize_fixed(distance, multiplier, y.quantization.zero_point(), range));
      continue;
    }
    store_stored(args.outputs[0], i, y.dtype,
                 requantize(static_cast<float>(distance) * m, y.quantization.zero_point(), range));
  }
}

}  // namespace inferd::kernels::ref
