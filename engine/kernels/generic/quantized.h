// SPDX-License-Identifier: Apache-2.0
//
// What packing needs to know of an operator with constant weights: kConv2d, kDepthwiseConv2d,
// kFullyConnected, kMatMul.
#pragma once

#include <cstdint>

#include "engine/base/float16.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool is_8bit(DType dtype);
bool is_quantized(const Operand& x);  // 8 bits with one scale
bool is_float(const Operand& x);

// 8-bit activations, constant 8-bit weights with one scale or `channels` of them, int32 bias.
bool is_quantized_linear(const OpDesc& op, int64_t channels);
// float32 throughout but for weights that may be float16 (not of kMatMul), weights and bias
// constant.
bool is_float_linear(const OpDesc& op);

Activation activation_of(const OpDesc& op);
RequantParams requant_params(const OpDesc& op);
float requant_scale(const OpDesc& op, int64_t channel);  // m of requantize.h
int64_t bias_at(const OpDesc& op, int64_t channel);      // 0 when there is none

// Weights less their zero point.
class WeightReader {
 public:
  explicit WeightReader(const Operand& weights);
  int32_t at(int64_t index, int64_t channel) const {
    const auto i = static_cast<size_t>(index);
    const int32_t stored = unsigned_ != nullptr ? unsigned_[i] : signed_[i];
    return stored - zero_points_[zero_points_.size() > 1 ? static_cast<size_t>(channel) : 0];
  }

 private:
  const uint8_t* unsigned_ = nullptr;
  const int8_t* signed_ = nullptr;
  std::span<const int32_t> zero_points_;
};

// Weights as float32, whether they are that or float16.
class FloatReader {
 public:
  explicit FloatReader(const Operand& weights);
  float operator[](int64_t index) const {
    const auto i = static_cast<size_t>(index);
    return half_ != nullptr ? half_to_float(half_[i]) : float_[i];
  }

 private:
  const float* float_ = nullptr;
  const uint16_t* half_ = nullptr;
};

// K::run_typed<In, Out>(args) with the types of the operator's input and output.
template <typename K>
void run_8bit(const RunArgs& args) {
  const bool unsigned_in = args.op.inputs[0].dtype == DType::kUInt8;
  const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
  if (unsigned_in) {
    unsigned_out ? K::template run_typed<uint8_t, uint8_t>(args)
                 : K::template run_typed<uint8_t, int8_t>(args);
  } else {
    unsigned_out ? K::template run_typed<int8_t, uint8_t>(args)
                 : K::template run_typed<int8_t, int8_t>(args);
  }
}

}  // namespace inferd::kernels::generic
