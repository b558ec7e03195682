// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace inferd::telemetry {

// How many durations were how long, in fixed buckets. A value: whoever shares one locks it.
class DurationHistogram {
 public:
  // Upper bounds, inclusive, nanoseconds: from a small model's run to what nobody waits for.
  static constexpr std::array<int64_t, 14> kBoundsNs = {
      100'000,     250'000,       500'000,       1'000'000,     2'500'000,
      5'000'000,   10'000'000,    25'000'000,    50'000'000,    100'000'000,
      250'000'000, 1'000'000'000, 2'500'000'000, 10'000'000'000};

  void add(int64_t ns) {
    const auto bucket = std::lower_bound(kBoundsNs.begin(), kBoundsNs.end(), ns);
    ++counts_[static_cast<size_t>(bucket - kBoundsNs.begin())];
    sum_ns_ += std::max<int64_t>(ns, 0);
  }

  void add(const DurationHistogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_ns_ += other.sum_ns_;
  }

  // Of each bucket alone; the last is for what is longer than every bound.
  const std::array<uint64_t, kBoundsNs.size() + 1>& counts() const { return counts_; }
  int64_t sum_ns() const { return sum_ns_; }

 private:
  std::array<uint64_t, kBoundsNs.size() + 1> counts_{};
  int64_t sum_ns_ = 0;
};

}  // namespace inferd::telemetry
