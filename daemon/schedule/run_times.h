// SPDX-License-Identifier: Apache-2.0
//
// How long runs of one model take at present: what decides whether a deadline can be kept.
#pragma once

#include <array>
#include <cstdint>

namespace inferd::schedule {

// Belongs to one queue, under its mutex. Knows nothing until some runs were seen, and again when
// none was for a second: so it cannot refuse for ever by what it once saw.
class RunTimes {
 public:
  // One run of `size` elements took `ns`, places to compute in included, and ended at `now`.
  void record(int size, int64_t ns, int64_t now);

  // Nanoseconds; 0: not known.
  int64_t fastest(int64_t now) const;  // of the last runs
  int64_t typical(int64_t now) const;  // of a run
  int64_t element(int64_t now) const;  // of one batch element, where runs are as large as lately

  // Whether a request that comes now can be done by `deadline`, behind `elements` that wait or run.
  // Behind others a run's time is kept in reserve.
  bool can_be_done(int64_t deadline, int64_t elements, int instances, int64_t now) const;

 private:
  bool known(int64_t now) const;

  std::array<int64_t, 32> last_ = {};  // a ring
  uint64_t count_ = 0;
  double run_ns_ = 0, element_ns_ = 0;  // smoothed
  int64_t last_at_ = 0;
};

}  // namespace inferd::schedule
