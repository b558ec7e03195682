// SPDX-License-Identifier: Apache-2.0
//
// Quantized addition and subtraction of equal shapes (the residual connections of a network), in
// 32-bit integers:
//
//   y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift) + zero_point, low, high)
//
// which is quantized_add() of requantize.h with the zero points and the rounding folded into
// `offset`. With multipliers up to 2^21 the sum fits in 32 bits; where a step on the way does not,
// it wraps around and back.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

struct AddPlan final : Prepared {
  uint32_t multiplier_a = 0;
  uint32_t multiplier_b = 0;
  uint32_t offset = 0;
  int32_t shift = 0;
  int32_t zero_point = 0;
  int32_t low = 0;
  int32_t high = 0;
};

bool accepts_quantized_add(const OpDesc& op);
std::unique_ptr<Prepared> plan_add(const OpDesc& op, const PackedWeights*);

// The loop. P names the ISA and lives in an unnamed namespace of the file compiled for it (see
// matrix_run.h); the compiler makes vectors of it.
template <typename P, typename T>
void add_range(const AddPlan& plan, const T* a, const T* b, T* y, int64_t count) {
  const AddPlan p = plan;  // a copy: y cannot alias it
#pragma GCC ivdep          // y may be a, but then element for element
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t sum = static_cast<uint32_t>(int32_t{a[i]}) * p.multiplier_a +
                         static_cast<uint32_t>(int32_t{b[i]}) * p.multiplier_b + p.offset;
    int32_t value = (static_cast<int32_t>(sum) >> p.shift) + p.zero_point;
    value = value < p.low ? p.low : value;
    value = value > p.high ? p.high : value;
    y[i] = static_cast<T>(value);
  }
}

template <typename P>
struct QuantizedAdd {
  static double cost(const OpDesc& op) {
    return static_cast<double>(op.outputs[0].elements()) / P::kMacsPerCycle;
  }
  template <typename T>
  static void run_typed(const RunArgs& args) {
    const auto& plan = static_cast<const AddPlan&>(*args.prepared);
    constexpr int64_t kGrain = 4096;  // below that a wake-up costs more than it brings
    args.parallel_for(args.op.outputs[0].elements(), kGrain, [&](int64_t begin, int64_t end, int) {
      add_range<P>(plan, args.input<T>(0) + begin, args.input<T>(1) + begin,
                   args.output<T>(0) + begin, end - begin);
    });
  }
  static void run(const RunArgs& args) {
    if (args.op.outputs[0].dtype == DType::kUInt8) {
      run_typed<uint8_t>(args);
    } else {
      run_typed<int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic
