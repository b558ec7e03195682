// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace inferd::pipeline {

// The last `capacity` values of something that goes on for ever; allocates once.
template <typename T>
class Window {
 public:
  explicit Window(size_t capacity) : capacity_(capacity) { values_.reserve(capacity); }

  void add(T value) {
    if (values_.size() < capacity_) {
      values_.push_back(value);
    } else {
      values_[next_] = value;
      next_ = (next_ + 1) % capacity_;
    }
  }

  // Oldest first.
  std::vector<T> values() const {
    std::vector<T> ordered(values_.begin() + static_cast<std::ptrdiff_t>(next_), values_.end());
    ordered.insert(ordered.end(), values_.begin(),
                   values_.begin() + static_cast<std::ptrdiff_t>(next_));
    return ordered;
  }

 private:
  const size_t capacity_;
  std::vector<T> values_;
  size_t next_ = 0;  // the oldest, once full
};

}  // namespace inferd::pipeline
