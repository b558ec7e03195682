// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

namespace inferd::pipeline {

// How long to wait before what failed is tried again: each time twice as long as before, up to the
// longest. A fifth more or less, so that what failed together does not come back together. For one
// thread.
class Pauses {
 public:
  Pauses(int64_t first_ns, int64_t longest_ns)
      : first_ns_(first_ns), longest_ns_(longest_ns), next_ns_(first_ns) {}

  int64_t next_ns() {
    const int64_t ns = std::exchange(next_ns_, std::min(2 * next_ns_, longest_ns_));
    return std::uniform_int_distribution<int64_t>(ns - ns / 5, ns + ns / 5)(random_);
  }
  // It went well.
  void reset() { next_ns_ = first_ns_; }

 private:
  int64_t first_ns_, longest_ns_, next_ns_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace inferd::pipeline
