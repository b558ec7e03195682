// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace inferd::quantize {
namespace {

constexpr size_t kLevels = 256;
constexpr double kCutOff = 1e-4;  // of all values, on both sides together
constexpr size_t kSteps = 64;     // ranges that are tried from one side
// A range narrower than this share of what was seen is not tried.
constexpr double kNarrowest = 0.2;
// The probability of what the levels do not have, so that a divergence stays finite.
constexpr double kRare = 1e-9;

}  // namespace

void Seen::add(std::span<const float> numbers) {
  for (const float x : numbers) {
    if (!std::isfinite(x)) continue;
    range_ = count_ == 0 ? Range{x, x} : range_.with({x, x});
    ++count_;
  }
}

void Seen::add_channels(std::span<const float> numbers, size_t channels) {
  if (channel_max_.empty()) {
    channel_max_.assign(channels, 0.F);
    channel_sum_.assign(channels, 0.);
  }
  for (size_t i = 0; i + channels <= numbers.size(); i += channels) {
    for (size_t c = 0; c < channels; ++c) {
      const float x = numbers[i + c];
      if (!std::isfinite(x)) continue;
      channel_max_[c] = std::max(channel_max_[c], std::abs(x));
      channel_sum_[c] += double{x};
    }
    ++channel_count_;
  }
}

std::vector<float> Seen::channel_mean() const {
  std::vector<float> mean;
  for (const double sum : channel_sum_) {
    mean.push_back(
        static_cast<float>(sum / static_cast<double>(std::max<uint64_t>(channel_count_, 1))));
  }
  return mean;
}

Histogram::Histogram(const Range& range)
    : range_(range), width_((range.max - range.min) / static_cast<float>(kBins)) {}

void Histogram::add(std::span<const float> numbers) {
  if (!(width_ > 0.F)) return;
  for (const float x : numbers) {
    if (!std::isfinite(x)) continue;
    const float at = std::clamp((x - range_.min) / width_, 0.F, static_cast<float>(kBins - 1));
    ++counts_[static_cast<size_t>(at)];
  }
}

float Histogram::edge(size_t bin) const {
  return bin == kBins ? range_.max : range_.min + width_ * static_cast<float>(bin);
}

Range Histogram::choose(CalibrationMethod method) const {
  if (!(width_ > 0.F)) return range_;
  switch (method) {
    case CalibrationMethod::kMinMax:
      return range_;
    case CalibrationMethod::kPercentile:
      return percentile();
    case CalibrationMethod::kMse:
      return cheapest([&](size_t first, size_t end) { return squared_error(first, end); });
    case CalibrationMethod::kEntropy:
      return cheapest([&](size_t first, size_t end) { return divergence(first, end); });
  }
  return range_;
}

Range Histogram::percentile() const {
  const uint64_t total = std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
  const auto cut = static_cast<uint64_t>(static_cast<double>(total) * kCutOff / 2);
  size_t first = 0;
  size_t end = kBins;
  for (uint64_t outside = counts_[0]; outside <= cut; outside += counts_[first]) ++first;
  for (uint64_t outside = counts_[kBins - 1]; outside <= cut; outside += counts_[end - 1]) --end;
  return of_bins(first, std::max(end, first + 1));
}

// Narrows the upper side to what costs least, then the lower one.
template <typename Cost>
Range Histogram::cheapest(const Cost& cost) const {
  size_t first = 0;
  size_t end = kBins;
  const auto room = static_cast<size_t>(static_cast<double>(kBins) * (1 - kNarrowest) / 2);
  const auto narrow = [&](bool upper) {
    size_t best = 0;
    double least = cost(first, end);
    for (size_t step = 1; step <= kSteps; ++step) {
      const size_t by = room * step / kSteps;
      const double c = upper ? cost(first, end - by) : cost(first + by, end);
      if (c < least) {
        least = c;
        best = by;
      }
    }
    if (upper) {
      end -= best;
    } else {
      first += best;
    }
  };
  narrow(true);
  // Values that are never negative (after a ReLU) keep 0.
  if (range_.min < 0.F) narrow(false);
  return of_bins(first, end);
}

// Of rounding inside of bins [first, end) to kLevels levels, and of cutting off outside.
double Histogram::squared_error(size_t first, size_t end) const {
  const double step = double{edge(end) - edge(first)} / static_cast<double>(kLevels - 1);
  double sum = 0;
  for (size_t b = 0; b < kBins; ++b) {
    const double centre = double{edge(b)} + double{width_} / 2;
    const double beyond = std::max({double{edge(first)} - centre, centre - double{edge(end)}, 0.});
    sum += static_cast<double>(counts_[b]) * (beyond * beyond + step * step / 12);
  }
  return sum;
}

// Kullback-Leibler divergence (for measures: what is cut off is missing from one of them) of what
// kLevels levels make of the distribution in bins [first, end) from the distribution itself, with
// what is cut off added to its outermost bins.
double Histogram::divergence(size_t first, size_t end) const {
  const auto sum_of = [&](size_t a, size_t b) {
    const auto begin = counts_.begin();
    return static_cast<double>(std::accumulate(begin + static_cast<std::ptrdiff_t>(a),
                                               begin + static_cast<std::ptrdiff_t>(b),
                                               uint64_t{0}));
  };
  const size_t bins = end - first;
  const double total = sum_of(0, kBins);
  double sum = sum_of(first, end) / total - 1;
  for (size_t level = 0; level < kLevels; ++level) {
    const size_t a = first + bins * level / kLevels;
    const size_t b = first + bins * (level + 1) / kLevels;
    size_t used = 0;
    for (size_t i = a; i < b; ++i) used += counts_[i] > 0 ? 1 : 0;
    const double each = sum_of(a, b) / static_cast<double>(std::max<size_t>(used, 1));
    const double q = std::max(each / total, kRare);
    for (size_t i = a; i < b; ++i) {
      auto n = static_cast<double>(counts_[i]);
      if (i == first) n += sum_of(0, first);
      if (i + 1 == end) n += sum_of(end, kBins);
      if (n > 0) sum += n / total * std::log(n / total / q);
    }
  }
  return sum;
}

Quantization levels_of(const Range& range) {
  const float min = std::min(range.min, 0.F);
  const float max = std::max(range.max, 0.F);
  float scale = (max - min) / static_cast<float>(kLevels - 1);
  if (!(scale >= std::numeric_limits<float>::min())) scale = 1.F;  // nothing but 0 was seen
  const auto zero = static_cast<int32_t>(std::lrint(-128. - double{min} / double{scale}));
  return {{scale}, {std::clamp(zero, -128, 127)}};
}

Range covered(const Quantization& q) {
  const auto real = [&](int stored) {
    return static_cast<float>(stored - q.zero_point()) * q.scale();
  };
  return {real(-128), real(127)};
}

}  // namespace inferd::quantize
