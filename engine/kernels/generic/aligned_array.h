// SPDX-License-Identifier: Apache-2.0
//
// A fixed-size array of numbers on a cache line boundary, zero at first.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace inferd::kernels::generic {

template <typename T>
class AlignedArray {
  static_assert(std::is_trivial_v<T>);
  static constexpr std::align_val_t kAlignment{64};

 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), kAlignment))), size_(size) {
    std::memset(static_cast<void*>(data_), 0, size * sizeof(T));
  }
  ~AlignedArray() { ::operator delete(data_, kAlignment); }
  AlignedArray(AlignedArray&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  AlignedArray& operator=(AlignedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  size_t bytes() const { return size_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace inferd::kernels::generic
