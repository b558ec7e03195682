// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/run_times.h"

#include <algorithm>
#include <cstddef>

namespace inferd::schedule {

void RunTimes::record(int size, int64_t ns, int64_t now) {
  if (!known(now)) *this = {};
  last_[count_++ % last_.size()] = ns;
  constexpr double kNew = 0.2;
  const auto smooth = [&](double& value, double sample) {
    value = count_ == 1 ? sample : value + kNew * (sample - value);
  };
  smooth(run_ns_, static_cast<double>(ns));
  smooth(element_ns_, static_cast<double>(ns) / std::max(size, 1));
  last_at_ = now;
}

bool RunTimes::known(int64_t now) const {
  constexpr int64_t kForget = 1'000'000'000;
  return count_ > 0 && now - last_at_ < kForget;
}

int64_t RunTimes::fastest(int64_t now) const {
  constexpr uint64_t kEnough = 4;
  if (!known(now) || count_ < kEnough) return 0;
  const auto end = last_.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(count_, last_.size()));
  return *std::min_element(last_.begin(), end);
}

int64_t RunTimes::typical(int64_t now) const {
  return known(now) ? static_cast<int64_t>(run_ns_) : 0;
}

int64_t RunTimes::element(int64_t now) const {
  return known(now) ? static_cast<int64_t>(element_ns_) : 0;
}

bool RunTimes::can_be_done(int64_t deadline, int64_t elements, int instances, int64_t now) const {
  if (elements == 0) return now + fastest(now) < deadline;
  return now + elements * element(now) / instances + 2 * typical(now) < deadline;
}

}  // namespace inferd::schedule
