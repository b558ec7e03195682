// SPDX-License-Identifier: Apache-2.0
//
// A fixed-size array of numbers on a cache line boundary, zero at first; or one that lies in a
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "engine/base/pages.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

template <typename T>
class AlignedArray {
  static_assert(std::is_trivial_v<T>);
  static constexpr std::align_val_t kAlignment{64};

 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t size)
      : data_(static_cast<T*>(allocate(bytes_of(size)))), size_(size) {}
  // The next array of `stored`, to be read only; without `stored` one of its own.
  AlignedArray(size_t size, StoredWeights* stored)
      : AlignedArray(stored == nullptr ? AlignedArray(size) : view(size, *stored)) {}
  ~AlignedArray() {
    if (borrowed_) return;
    if (bytes() >= kMapped) {
      unmap_pages(data_, bytes());
    } else {
      ::operator delete(data_, kAlignment);
    }
  }
  AlignedArray(AlignedArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        borrowed_(std::exchange(other.borrowed_, false)) {}
  AlignedArray& operator=(AlignedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(borrowed_, other.borrowed_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  size_t bytes() const { return size_ * sizeof(T); }
  std::span<const std::byte> as_bytes() const { return std::as_bytes(std::span(data_, size_)); }

 private:
  static constexpr size_t kMapped = size_t{256} << 10;  // from here on straight from the system

  // What is packed may be wider than what the tensor's own bytes were checked for.
  static size_t bytes_of(size_t size) {
    if (size > PTRDIFF_MAX / sizeof(T)) throw std::bad_alloc();
    return size * sizeof(T);
  }

  static AlignedArray view(size_t size, StoredWeights& stored) {
    AlignedArray array;
    // const_cast: whoever fills arrays has made them.
    array.data_ = reinterpret_cast<T*>(const_cast<std::byte*>(stored.take(bytes_of(size))));
    array.size_ = array.data_ == nullptr ? 0 : size;
    array.borrowed_ = true;
    return array;
  }

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
  bool borrowed_ = false;
};

}  // namespace inferd::kernels::generic
