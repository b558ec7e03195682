// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace inferd::ctl {

// Durations by size, in constant memory however many there are: what it tells is at most 0.8 %
// above what was recorded. Not safe to use from several threads.
class LatencyHistogram {
 public:
  void record(int64_t ns);  // below 0 counts as 0

  uint64_t count() const { return count_; }
  int64_t max() const { return max_; }  // exact; 0 when nothing was recorded
  double mean() const;                  // exact; 0 when nothing was recorded
  // What `percent` of the durations do not exceed, 0 < percent <= 100; 0 when nothing was recorded.
  int64_t percentile(double percent) const;

  // How many durations there are of each size, from the smallest to the largest without gaps, in at
  // most so many ranges of whole buckets.
  struct Range {
    int64_t begin = 0, end = 0;  // ns; the end is not in it
    uint64_t count = 0;
  };
  std::vector<Range> ranges(size_t most) const;

 private:
  // Buckets are as wide as 1 for small durations, and double their width with every power of two:
  // 128 for each.
  static int64_t begin_of(size_t bucket);  // the smallest that is counted there

  static constexpr int kBits = 7;
  static constexpr size_t kBuckets = (64 - kBits) << kBits;

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace inferd::ctl
