// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {

// When a sample was taken, of the time that an IIO device says and the one at which it arrived.
class IioClock {
 public:
  enum class Kind {
    kMonotonic,  // CLOCK_MONOTONIC of this machine
    kRealtime,   // CLOCK_REALTIME of this machine
    kForeign,    // of another machine, or another clock: only its course means something
  };
  explicit IioClock(Kind kind = Kind::kForeign) : kind_(kind) {}

  // CLOCK_MONOTONIC ns. `stamp`: ns of the device; `arrived`: CLOCK_MONOTONIC ns, which is the
  // answer to a stamp that is of the future, or older than samples get.
  int64_t capture_ns(int64_t stamp, int64_t arrived) {
    if (stamp <= 0 && kind_ != Kind::kForeign) return arrived;
    int64_t at = stamp;
    if (kind_ == Kind::kRealtime) at = monotonic_of(stamp);
    if (kind_ == Kind::kForeign) at = of_foreign(stamp, arrived);
    return at > arrived || arrived - at > kOldest ? arrived : at;
  }

 private:
  static constexpr int64_t kOldest = 10'000'000'000;
  static constexpr int64_t kPerDrift = 5'000;  // ns in which two clocks may drift apart by one

  // The sample that was fastest tells how far the clocks are apart, and is forgotten as slowly as
  // clocks drift.
  int64_t of_foreign(int64_t stamp, int64_t arrived) {
    // Two's complement: what a broken device says must not overflow.
    const auto now_apart =
        static_cast<int64_t>(static_cast<uint64_t>(arrived) - static_cast<uint64_t>(stamp));
    const bool steps = !apart_ || now_apart < *apart_ ||
                       static_cast<uint64_t>(now_apart) - static_cast<uint64_t>(*apart_) >
                           static_cast<uint64_t>(kOldest);
    if (steps) {
      apart_ = now_apart;
    } else {
      apart_ = std::min(now_apart, *apart_ + std::max<int64_t>(arrived - seen_, 0) / kPerDrift);
    }
    seen_ = arrived;
    return static_cast<int64_t>(static_cast<uint64_t>(stamp) + static_cast<uint64_t>(*apart_));
  }

  Kind kind_;
  std::optional<int64_t> apart_;  // arrival less stamp, of the fastest
  int64_t seen_ = 0;              // the last arrival
};

}  // namespace inferd::pipeline
