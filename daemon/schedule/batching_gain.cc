// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/batching_gain.h"

namespace inferd::schedule {

void BatchingGain::record_run(int size, int64_t ns) {
  if (size < 1) return;
  double& smoothed = size == 1 ? alone_ns_ : together_ns_;
  const double one = static_cast<double>(ns) / size;
  constexpr double kNew = 0.2;
  smoothed = smoothed == 0 ? one : smoothed + kNew * (one - smoothed);
}

void BatchingGain::record_wait(bool came) { vain_ = came ? 0 : vain_ + 1; }

bool BatchingGain::saves_time() const {
  constexpr double kLeast = 0.95;
  return alone_ns_ == 0 || together_ns_ == 0 || together_ns_ < kLeast * alone_ns_;
}

bool BatchingGain::worth_waiting() {
  if (saves_time() && vain_ < kVain) return true;
  if (++skipped_ < kTryAgain) return false;
  skipped_ = 0;
  return true;
}

}  // namespace inferd::schedule
