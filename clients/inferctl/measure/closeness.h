// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace inferd::ctl {

// How close one array's numbers are to another's, over all that were added.
class Closeness {
 public:
  void add(std::span<const float> expected, std::span<const float> got);

  double cosine() const;  // of the angle between the two; 1: the same direction, NaN: nothing added
  double sqnr_db() const;  // power of what is expected over that of the difference; infinite: equal

 private:
  double expected_ = 0, got_ = 0, both_ = 0, difference_ = 0;  // sums of squares and products
};

}  // namespace inferd::ctl
