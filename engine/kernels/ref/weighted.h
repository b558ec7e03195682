// SPDX-License-Identifier: Apache-2.0
//
// What convolutions and fully connected layers share: the combinations of types they take, and what
// becomes of a sum of products.
#pragma once

#include "engine/kernels/ref/common.h"

namespace inferd::kernels::ref {

// int16 with one scale and zero point 0: activations of 16 bits.
inline bool is_wide(const Operand& x) {
  return x.dtype == DType::kInt16 && !x.quantization.empty() && !x.quantization.per_channel() &&
         x.quantization.zero_point() == 0;
}
inline bool is_plain_int32(const Operand& x) {
  return x.dtype == DType::kInt32 && x.quantization.empty();
}

// float32 throughout but for float16 weights; or 8-bit input and weights with int32 bias and 8-bit
// output; or int16 input, 8-bit weights, int32 or int64 bias and int16 output. Weights are
// quantized per tensor or along `channel_axis`.
bool accepts_weighted(const OpDesc& op, int channel_axis);
// int32 throughout, without bias and activation.
bool accepts_plain_int32(const OpDesc& op, const Activation& activation);

// f.operator()<Acc, X, W>() with the types of the operator's input and weights and the one that
// sums their products exactly (float32: to rounding).
template <typename F>
void with_weighted_types(const OpDesc& op, F f) {
  const DType x = op.inputs[0].dtype;
  const DType w = op.inputs[1].dtype;
  const bool signed_w = w == DType::kInt8;
  if (x == DType::kFloat32) {
    return w == DType::kFloat16 ? f.template operator()<float, float, Half>()
                                : f.template operator()<float, float, float>();
  }
  if (x == DType::kInt32) return f.template operator()<uint32_t, int32_t, int32_t>();
  if (x == DType::kInt16) {
    return signed_w ? f.template operator()<int64_t, int16_t, int8_t>()
                    : f.template operator()<int64_t, int16_t, uint8_t>();
  }
  if (x == DType::kInt8) {
    return signed_w ? f.template operator()<int32_t, int8_t, int8_t>()
                    : f.template operator()<int32_t, int8_t, uint8_t>();
  }
  return signed_w ? f.template operator()<int32_t, uint8_t, int8_t>()
                  : f.template operator()<int32_t, uint8_t, uint8_t>();
}

// Zero points as accumulators; 0 where nothing is quantized.
template <typename Acc>
Acc zero_of(const Operand& x, size_t channel) {
  if (x.quantization.empty()) return 0;
  return static_cast<Acc>(channel_zero_point(x.quantization, channel));
}

// Turns sums of products into elements of output 0: adds the bias at inputs[2], scales, applies the
// activation. The type of the sum says which: see with_weighted_types().
class Finish {
 public:
  Finish(const RunArgs& args, const Activation& activation)
      : args_(args), activation_(activation), bias_(args.op.has_input(2)) {
    const Operand& y = args.op.outputs[0];
    if (!y.quantization.empty()) range_ = activation_range(activation, y.dtype, y.quantization);
  }

  // Element `i`, of output channel `channel`.
  void operator()(int64_t i, size_t channel, float sum) const {
    args_.output<float>(0)[i] =
        clamp(bias_ ? sum + args_.input<float>(2)[channel] : sum, activation_);
  }
  void operator()(int64_t i, size_t channel, uint32_t sum) const {
    args_.output<uint32_t>(0)[i] = bias_ ? sum + args_.input<uint32_t>(2)[channel] : sum;
  }
  void operator()(int64_t i, size_t channel, int32_t sum) const {
    if (bias_) sum += args_.input<int32_t>(2)[channel];
    store8(args_.outputs[0], i,
           requantize(static_cast<float>(sum) * channel_multiplier(args_.op, channel),
                      args_.op.outputs[0].quantization.zero_point(), range_));
  }
  void operator()(int64_t i, size_t channel, int64_t sum) const {
    const OpDesc& op = args_.op;
    const bool narrow = bias_ && op.inputs[2].dtype == DType::kInt32;
    const int64_t bias = !bias_   ? 0
                         : narrow ? int64_t{args_.input<int32_t>(2)[channel]}
                                  : args_.input<int64_t>(2)[channel];
    const Quantization& w = op.inputs[1].quantization;
    const WideMultiplier m = wide_multiplier(op.inputs[0].quantization.scale(),
                                             w.per_channel() ? w.scales[channel] : w.scale(),
                                             op.outputs[0].quantization.scale());
    args_.output<int16_t>(0)[i] =
        static_cast<int16_t>(requantize_wide(add_wide_bias(sum, bias), m, range_));
  }

 private:
  const RunArgs& args_;
  const Activation& activation_;
  bool bias_;
  QuantRange range_;
};

}  // namespace inferd::kernels::ref
