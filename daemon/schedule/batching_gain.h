// SPDX-License-Identifier: Apache-2.0
//
// Does it pay to wait for company? Small batches often do not on small CPUs, and a request that is
// the only one for a while waits in vain.
#pragma once

#include <array>
#include <cstdint>

namespace inferd::schedule {

// Belongs to one queue, under its mutex.
class BatchingGain {
 public:
  // One run of `size` elements took `ns`.
  void record_run(int size, int64_t ns);

  // A batch was held open for company until its time was over. `came`: somebody did.
  void record_wait(bool came);

  // Asked before each wait. False while either is known not to pay: together, an element takes no
  // less time than alone (some percent are no gain); or the last kVain waits brought nobody.
  // True now and then all the same, to see whether that is still so.
  bool worth_waiting();

 private:
  static constexpr int kVain = 8;
  static constexpr int kTryAgain = 64;

  bool saves_time() const;

  // Nanoseconds for one element, smoothed: alone, and together with others; 0: not known.
  double alone_ns_ = 0;
  double together_ns_ = 0;
  int vain_ = 0;     // waits in a row
  int skipped_ = 0;  // since it was tried last
};

}  // namespace inferd::schedule
