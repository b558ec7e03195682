// SPDX-License-Identifier: Apache-2.0
//
// Normalisation of rows of float32, with a scale and a shift for each element of a row (layer
// normalisation) or none. A row stays in the cache from the sums to the result.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>

#include "engine/kernels/generic/elementwise_run.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

struct NormalizePlan final : Prepared {
  NormalizeKind kind = NormalizeKind::kMeanVariance;
  int64_t rows = 0, count = 0;  // count > 0
  float epsilon = 0.F;
};

bool accepts_normalize(const OpDesc& op);
std::unique_ptr<Prepared> plan_normalize(const OpDesc& op, const PackedWeights*);

// P as in elementwise_run.h.
template <typename P>
struct Normalize {
  static constexpr int64_t kLanes = 16;

  // Sum of (x - mean) ^ power, power 1 or 2; several lanes, because one would wait for itself.
  template <int kPower>
  static float sum(const float* x, int64_t count, float mean) {
    const auto term = [=](float value) __attribute__((always_inline)) {
      const float centred = value - mean;
      return kPower == 1 ? centred : centred * centred;
    };
    const int64_t whole = count / kLanes * kLanes;
    float lanes[kLanes] = {};
    for (int64_t i = 0; i < whole; i += kLanes) {
#pragma GCC ivdep
      for (int64_t l = 0; l < kLanes; ++l) lanes[l] += term(x[i + l]);
    }
    float total = 0.F;
    for (const float lane : lanes) total += lane;
    for (int64_t i = whole; i < count; ++i) total += term(x[i]);
    return total;
  }

  static float factor(const NormalizePlan& p, const float* x, float mean) {
    const float squares = sum<2>(x, p.count, mean);
    if (p.kind != NormalizeKind::kL2) {
      return 1.F / std::sqrt(squares / static_cast<float>(p.count) + p.epsilon);
    }
    const float root = std::sqrt(squares);
    const float length = root > p.epsilon ? root : p.epsilon;
    return length == 0.F ? 0.F : 1.F / length;
  }

  static void run(const RunArgs& args) {
    const auto& p = static_cast<const NormalizePlan&>(*args.prepared);
    const float* const scale = args.op.has_input(1) ? args.input<float>(1) : nullptr;
    const float* const shift = args.op.has_input(2) ? args.input<float>(2) : nullptr;
    const int64_t grain = kElementGrain / 4 / p.count;
    args.parallel_for(p.rows, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        const float* const x = args.input<float>(0) + row * p.count;
        float* const y = args.output<float>(0) + row * p.count;
        const bool centres = p.kind == NormalizeKind::kMeanVariance;
        const float mean = centres ? sum<1>(x, p.count, 0.F) / static_cast<float>(p.count) : 0.F;
        const float f = factor(p, x, mean);
        const int64_t count = p.count;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * f;
        if (scale == nullptr) continue;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] *= scale[i];
        if (shift == nullptr) continue;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] += shift[i];
      }
    });
  }
};

}  // namespace inferd::kernels::generic
