// SPDX-License-Identifier: Apache-2.0
//
// From the numbers that were seen of a value to the range that its 256 levels shall cover.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "inferd/engine/quantize.h"

namespace inferd::quantize {

struct Range {
  float min = 0.F, max = 0.F;

  // The smallest range that holds both.
  Range with(const Range& other) const {
    return {std::min(min, other.min), std::max(max, other.max)};
  }
};

// What was seen of one value. NaN and infinities are passed over.
class Seen {
 public:
  void add(std::span<const float> numbers);
  // Also the largest magnitude and the mean of each index of the last dimension, `channels` of
  // them.
  void add_channels(std::span<const float> numbers, size_t channels);

  bool empty() const { return count_ == 0; }
  const Range& range() const { return range_; }
  std::span<const float> channel_max() const { return channel_max_; }  // empty unless asked for
  std::vector<float> channel_mean() const;

 private:
  Range range_;
  uint64_t count_ = 0;
  std::vector<float> channel_max_;
  std::vector<double> channel_sum_;
  uint64_t channel_count_ = 0;
};

// How often which numbers occur within a range that is known.
class Histogram {
 public:
  static constexpr size_t kBins = 2048;

  explicit Histogram(const Range& range);
  void add(std::span<const float> numbers);

  // The range that `method` chooses; all of it for kMinMax.
  Range choose(CalibrationMethod method) const;

 private:
  float edge(size_t bin) const;  // where it begins
  Range of_bins(size_t first, size_t end) const { return {edge(first), edge(end)}; }
  Range percentile() const;
  template <typename Cost>
  Range cheapest(const Cost& cost) const;
  double squared_error(size_t first, size_t end) const;
  double divergence(size_t first, size_t end) const;

  Range range_;
  float width_ = 0.F;
  std::array<uint64_t, kBins> counts_{};
};

// int8 levels for a range, which is widened to hold 0: 0 must be a level, because padding is 0.
Quantization levels_of(const Range& range);

// The range that int8 levels cover.
Range covered(const Quantization& q);

}  // namespace inferd::quantize
