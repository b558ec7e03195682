// SPDX-License-Identifier: Apache-2.0
//
// Operators that compute each output element from one or two input elements. What is decided before
// the first run; elementwise_run.h holds the loops.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "engine/kernels/kernel.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {

// Two operands broadcast to the output, with neighbouring dimensions that move alike merged: an
// innermost run in which each operand steps by 1 or not at all, and the dimensions around it.
struct PairLoop {
  int64_t run = 1;
  int64_t outer = 1;  // runs
  bool step_a = true, step_b = true;
  std::vector<int64_t> dims;  // around the run, outermost first
  std::vector<int64_t> stride_a, stride_b;
};
PairLoop pair_loop(const Shape& a, const Shape& b, const Shape& y);

// y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift) + zero_point, low, high):
// quantized_add() of requantize.h with the zero points and the rounding folded into `offset`. With
// multipliers up to 2^21 the sum fits in 32 bits; where a step on the way does not, it wraps around
// and back.
struct FixedAdd {
  uint32_t multiplier_a = 0;
  uint32_t multiplier_b = 0;
  uint32_t offset = 0;
  int32_t shift = 0;
  int32_t zero_point = 0;
  int32_t low = 0;
  int32_t high = 0;
};

// requantize((ratio_a * a + fixed) + ratio_b * b, 0, range): the other quantized_add().
struct FloatAdd {
  FloatAddParams params;
  float low = 0.F;
  float high = 0.F;
};

// requantize((a - zero_a) * (b - zero_b) * m, zero_point, range).
struct QuantizedMultiply {
  int32_t zero_a = 0, zero_b = 0, zero_point = 0;
  float m = 0.F;
  float low = 0.F;  // bounds less the zero point
  float high = 0.F;
};

struct BinaryPlan final : Prepared {
  BinaryKind kind = BinaryKind::kAdd;
  Rounding rounding = Rounding::kFixedPoint;
  Activation activation;
  PairLoop loop;
  FixedAdd fixed_add;
  FloatAdd float_add;
  QuantizedMultiply multiply;
};
// Addition, subtraction and multiplication of one 8-bit type.
bool accepts_quantized_binary(const OpDesc& op);
// float32; the four rules of arithmetic, minimum and maximum.
bool accepts_float_binary(const OpDesc& op);
std::unique_ptr<Prepared> plan_binary(const OpDesc& op, const PackedWeights*);

bool accepts_float_prelu(const OpDesc& op);
std::unique_ptr<Prepared> plan_prelu(const OpDesc& op, const PackedWeights*);  // a BinaryPlan

// An 8-bit function of one 8-bit operand: what the reference makes of each byte.
struct TablePlan final : Prepared {
  alignas(64) std::array<uint8_t, 256> table{};
};
bool accepts_table(const OpDesc& op);  // kUnary, kClamp, kRequantize, kLookup
std::unique_ptr<Prepared> plan_table(const OpDesc& op, const PackedWeights*);

struct UnaryPlan final : Prepared {
  UnaryAttrs attrs;
};
bool accepts_float_unary(const OpDesc& op);  // the kinds of elementwise_run.h
std::unique_ptr<Prepared> plan_unary(const OpDesc& op, const PackedWeights*);

struct ClampPlan final : Prepared {
  Activation range;
};
bool accepts_float_clamp(const OpDesc& op);
std::unique_ptr<Prepared> plan_clamp(const OpDesc& op, const PackedWeights*);

bool accepts_tensor_quantize(const OpDesc& op);    // one scale for the whole tensor, 8 bits
bool accepts_tensor_dequantize(const OpDesc& op);  // likewise

}  // namespace inferd::kernels::generic
