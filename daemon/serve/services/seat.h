// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace inferd::serve {

// One of a limited number of places, given back at the end of the call.
class Seat {
 public:
  Seat(std::atomic<int>& taken, int limit) : taken_(taken), ok_(taken.fetch_add(1) < limit) {}
  ~Seat() { taken_.fetch_sub(1); }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  bool ok() const { return ok_; }

 private:
  std::atomic<int>& taken_;
  const bool ok_;
};

}  // namespace inferd::serve
