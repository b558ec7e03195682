// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace inferd::ctl {

void LatencyHistogram::record(int64_t ns) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
  // The value's highest kBits + 1 bits, and how many are left out below them.
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kBits - 1);
  ++buckets_[(static_cast<size_t>(shift) << kBits) + static_cast<size_t>(value >> shift)];
  ++count_;
  max_ = std::max(max_, static_cast<int64_t>(value));
  sum_ += static_cast<double>(value);
}

double LatencyHistogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

int64_t LatencyHistogram::begin_of(size_t bucket) {
  const size_t shift = bucket < size_t{2} << kBits ? 0 : (bucket >> kBits) - 1;
  return static_cast<int64_t>((bucket - (shift << kBits)) << shift);
}

std::vector<LatencyHistogram::Range> LatencyHistogram::ranges(size_t most) const {
  if (count_ == 0) return {};
  size_t first = 0, last = kBuckets - 1;
  while (buckets_[first] == 0) ++first;
  while (buckets_[last] == 0) --last;
  const size_t together = (last - first) / most + 1;
  std::vector<Range> ranges;
  for (size_t i = first; i <= last; i += together) {
    const size_t end = std::min(i + together, last + 1);
    Range range{begin_of(i), begin_of(end), 0};
    for (size_t k = i; k < end; ++k) range.count += buckets_[k];
    ranges.push_back(range);
  }
  return ranges;
}

int64_t LatencyHistogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen < std::max<uint64_t>(rank, 1)) continue;
    return std::min(max_, begin_of(i + 1) - 1);
  }
  return max_;
}

}  // namespace inferd::ctl
