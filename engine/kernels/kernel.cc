// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/kernel.h"

namespace inferd::kernels {

void RunArgs::parallel_for(int64_t count, int64_t grain, RangeFunction f, int threads) const {
  if (lines == nullptr) return pool.parallel_for(count, grain, f, threads);
  const Shape& y = op.outputs[0].shape;
  const int64_t share = count / (y[0] * y[1]);
  const int64_t above = lines->image * y[1];
  f((above + lines->begin) * share, (above + lines->end) * share, 0);
}

}  // namespace inferd::kernels
