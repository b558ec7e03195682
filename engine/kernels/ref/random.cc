// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that are the same in every run: element i is made of the number that splitmix64
// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) gives as its
// (i + 1)-th one.
#include <cmath>
#include <numbers>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

uint64_t splitmix64(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

// In [0, 1), of the upper 24 bits.
double uniform(uint64_t bits) { return static_cast<double>(bits >> 40) * 0x1p-24; }

// Box and Muller's transform of the upper and the lower 32 bits.
double normal(uint64_t bits) {
  const double u = (static_cast<double>(bits >> 32) + 1) * 0x1p-32;  // never 0
  const double v = static_cast<double>(bits & 0xFFFFFFFFU) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

template <typename T>
void fill(const RandomAttrs& attrs, int64_t count, T* y) {
  const auto seed = static_cast<uint64_t>(attrs.seed);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = splitmix64(seed, static_cast<uint64_t>(i));
    const double value = attrs.kind == RandomKind::kUniform ? uniform(bits) : normal(bits);
    y[i] = static_cast<T>(double{attrs.offset} + double{attrs.scale} * value);
  }
}

}  // namespace

bool accepts_random(const OpDesc& op) {
  return is_float(op.outputs[0]) || op.outputs[0].dtype == DType::kFloat64;
}

void run_random(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<RandomAttrs>();
  const int64_t count = args.op.outputs[0].elements();
  if (is_float(args.op.outputs[0])) return fill(attrs, count, args.output<float>(0));
  fill(attrs, count, args.output<double>(0));
}

}  // namespace inferd::kernels::ref
