// SPDX-License-Identifier: Apache-2.0
//
// A fixed-size array of numbers on a cache line boundary, zero at first.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "engine/base/pages.h"

namespace inferd::kernels::generic {

template <typename T>
class AlignedArray {
  static_assert(std::is_trivial_v<T>);
  static constexpr std::align_val_t kAlignment{64};

 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t size)
      : data_(static_cast<T*>(allocate(size * sizeof(T)))), size_(size) {}
  ~AlignedArray() {
    if (bytes() >= kMapped) {
      unmap_pages(data_, bytes());
    } else {
      ::operator delete(data_, kAlignment);
    }
  }
  AlignedArray(AlignedArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
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
  static constexpr size_t kMapped = size_t{256} << 10;  // from here on straight from the system

  static void* allocate(size_t bytes) {
    if (bytes >= kMapped) {
      void* data = map_pages(bytes);
      if (data == nullptr) throw std::bad_alloc();
      return data;
    }
    void* data = ::operator new(bytes, kAlignment);
    std::memset(data, 0, bytes);
    return data;
  }

  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace inferd::kernels::generic
