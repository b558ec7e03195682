// SPDX-License-Identifier: Apache-2.0
//
// Softmax: float32 over the last axis, several lanes at once; 8 bits over any axis by a table of
// exponentials.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/kernels/generic/elementwise_run.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

struct SoftmaxPlan final : Prepared {
  int64_t outer = 0, count = 0, inner = 0;
  float beta = 1.F;
  alignas(64) float exponentials[256] = {};  // by distance from the maximum
};

bool accepts_float_softmax(const OpDesc& op);
bool accepts_quantized_softmax(const OpDesc& op);
std::unique_ptr<Prepared> plan_softmax(const OpDesc& op, const PackedWeights*);
void run_quantized_softmax(const RunArgs& args);

// P as in elementwise_run.h.
template <typename P>
void run_float_softmax(const RunArgs& args) {
  const auto& p = static_cast<const SoftmaxPlan&>(*args.prepared);
  constexpr int64_t kLanes = 16;
  const int64_t count = p.count;
  const float beta = p.beta;
  const int64_t grain = kElementGrain / 4 / (count > 0 ? count : 1);
  args.parallel_for(p.outer, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const float* const x = args.input<float>(0) + row * count;
      float* const y = args.output<float>(0) + row * count;
      const int64_t whole = count / kLanes * kLanes;
      float most[kLanes];
      for (float& m : most) m = -kInf;
      for (int64_t i = 0; i < whole; i += kLanes) {
#pragma GCC ivdep
        for (int64_t l = 0; l < kLanes; ++l) most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
      }
      for (int64_t i = whole; i < count; ++i) most[0] = x[i] > most[0] ? x[i] : most[0];
      float max = most[0];
      for (const float m : most) max = m > max ? m : max;

#pragma GCC ivdep
      for (int64_t i = 0; i < count; ++i) y[i] = exponential((x[i] - max) * beta);
      float sums[kLanes] = {};
      for (int64_t i = 0; i < whole; i += kLanes) {
#pragma GCC ivdep
        for (int64_t l = 0; l < kLanes; ++l) sums[l] += y[i + l];
      }
      float sum = 0.F;
      for (const float s : sums) sum += s;
      for (int64_t i = whole; i < count; ++i) sum += y[i];
#pragma GCC ivdep
      for (int64_t i = 0; i < count; ++i) y[i] /= sum;
    }
  });
}

}  // namespace inferd::kernels::generic
