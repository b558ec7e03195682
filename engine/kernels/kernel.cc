// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/kernel.h"

#include <algorithm>

namespace inferd::kernels {

const std::byte* StoredWeights::take(size_t bytes) {
  if (bytes > left_.size()) {
    short_ = true;
    return nullptr;
  }
  const std::byte* const array = left_.data();
  const size_t padded = bytes + (kArrayAlignment - bytes % kArrayAlignment) % kArrayAlignment;
  left_ = left_.subspan(std::min(padded, left_.size()));
  return array;
}

size_t PackedWeights::bytes() const {
  size_t sum = 0;
  for (const std::span<const std::byte> array : arrays()) sum += array.size();
  return sum;
}

void RunArgs::parallel_for(int64_t count, int64_t grain, RangeFunction f, int threads) const {
  if (lines == nullptr) return pool.parallel_for(count, grain, f, threads);
  const Shape& y = op.outputs[0].shape;
  const int64_t share = count / (y[0] * y[1]);
  const int64_t above = lines->image * y[1];
  f((above + lines->begin) * share, (above + lines->end) * share, 0);
}

}  // namespace inferd::kernels
