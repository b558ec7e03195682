// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/samples/windows.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {

// How many rows a window has, once it is known what the source gives.
Status Windows::begin(const Samples& samples) {
  const auto rows_of = [&](int64_t rows, double seconds) {
    return rows > 0 ? rows : std::llround(std::min(seconds * samples.rate_hz, 1e15));
  };
  if (samples.rate_hz <= 0 && (options_.rows == 0 || options_.hop_seconds > 0))
    return failed_precondition(
        "the source gives samples without a rate: say how many 'rows' a "
        "window has, not how many 'ms'");
  const int64_t size = rows_of(options_.rows, options_.seconds);
  const bool hops = options_.hop_rows > 0 || options_.hop_seconds > 0;
  const int64_t hop = hops ? rows_of(options_.hop_rows, options_.hop_seconds) : size;
  if (size < 1 || hop < 1 || std::max(size, options_.lead_rows) > kMaxValues / samples.columns ||
      hop > kMaxValues)
    return failed_precondition("a window of " + std::to_string(size) + " rows of " +
                               std::to_string(samples.columns) + " values, each " +
                               std::to_string(hop) +
                               " rows after the one before, is too short or "
                               "too long");
  size_ = size;
  hop_ = hop;
  columns_ = samples.columns;
  rate_hz_ = samples.rate_hz;
  names_ = samples.names;
  values_.assign(static_cast<size_t>(options_.lead_rows * columns_), 0.F);
  skip_ = 0;
  counted_ = 0;
  ++stream_;
  return ok_status();
}

Status Windows::add(const Frame& frame) {
  const Samples& samples = frame.samples;
  if (samples.rows <= 0 || samples.columns <= 0)
    return failed_precondition("the frame has no samples");
  const bool gap =
      samples.rate_hz > 0 && (frame.sequence != expected_ || frame.stream != source_stream_);
  if (size_ == 0 || gap || samples.columns != columns_ || samples.rate_hz != rate_hz_)
    INFERD_RETURN_IF_ERROR(begin(samples));
  expected_ = frame.sequence + 1;
  source_stream_ = frame.stream;
  last_capture_ns_ = frame.capture_ns;
  frame_name_ = frame.name;
  counted_ += samples.rows;
  const int64_t skipped = std::min<int64_t>(skip_, samples.rows);
  skip_ -= skipped;
  const auto row = [&](int64_t r) { return samples.values.begin() + r * columns_; };
  values_.insert(values_.end(), row(skipped), row(samples.rows));
  return ok_status();
}

void Windows::take(Frame& window) {
  window.samples.rows = static_cast<int>(size_);
  window.samples.columns = columns_;
  window.samples.rate_hz = rate_hz_;
  window.samples.names = names_;
  window.samples.values.assign(values_.begin(), values_.begin() + size_ * columns_);
  window.sequence = ++given_;
  window.stream = stream_;
  window.name = frame_name_;
  const int64_t later = rows() - size_;
  const auto lasts_ns = [&](int64_t rows) {
    return rate_hz_ > 0 ? std::llround(static_cast<double>(rows) * 1e9 / rate_hz_) : 0;
  };
  window.capture_ns = last_capture_ns_ - lasts_ns(later);
  window.lasted_ns = std::max<int64_t>(lasts_ns(counted_ - later), 0);
  const int64_t gone = std::min(hop_, rows());
  values_.erase(values_.begin(), values_.begin() + gone * columns_);
  skip_ = hop_ - gone;
}

}  // namespace inferd::pipeline
