// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a constant tensor, resident only while somebody reads them.
//
// Weights are read once, when a kernel packs them, and then perhaps never again. So a constant need
// not lie in memory twice: one that is a part of the model file gives its pages back after use and
// gets them again from the file, and one that was computed from others (a transposed weight) is
// computed at its first use, forgotten after the last, and computed anew should it be needed again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/mapped_file.h"
#include "inferd/engine/status.h"

namespace inferd {

// What the bytes are never changes. Safe to use from several threads at once.
class Constant {
 public:
  // Writes all bytes, the same at every call. Must not read the constant it makes.
  using Make = std::function<void(std::span<std::byte>)>;

  // In memory for as long as the constant.
  static std::shared_ptr<const Constant> own(std::vector<std::byte> bytes);
  static std::shared_ptr<const Constant> copy_of(std::span<const std::byte> bytes);
  // A part of `file`: in place where it lies at a multiple of `alignment`, a computed copy where
  // not.
  static std::shared_ptr<const Constant> in_file(std::shared_ptr<const MappedFile> file,
                                                 std::span<const std::byte> bytes,
                                                 size_t alignment);
  // The same, where the file says what the checksum (crc32c()) of the bytes must be.
  static std::shared_ptr<const Constant> in_checked_file(std::shared_ptr<const MappedFile> file,
                                                         std::span<const std::byte> bytes,
                                                         size_t alignment, uint32_t checksum);
  // Left out of its file: zeros, so that nothing is read out of bounds, and check() fails.
  static std::shared_ptr<const Constant> left_out(size_t bytes);
  // Computed when needed. A small one at once and for good. Throws std::bad_alloc when there is no
  // address space for it, and so does its use without memory.
  static std::shared_ptr<const Constant> made(size_t bytes, Make make);

  ~Constant();
  Constant(const Constant&) = delete;
  Constant& operator=(const Constant&) = delete;

  size_t size() const { return bytes_.size(); }
  // The same for the constant's life, and no other living constant's: where its bytes lie while
  // they are in use.
  const std::byte* address() const { return bytes_.data(); }
  // The bytes, from now on resident. For constants that are small by nature, or read at every run;
  // ConstantUse is for others.
  std::span<const std::byte> bytes() const;

  // Whether the bytes are what their file says they are; reads them at the first call. DATA_LOSS
  // when they are not, FAILED_PRECONDITION when they were left out. What has no checksum is taken
  // as it is.
  Status check() const;

 private:
  friend class ConstantUse;
  Constant() = default;
  void acquire() const;
  void release() const;

  std::span<const std::byte> bytes_;
  std::vector<std::byte> owned_;
  std::shared_ptr<const MappedFile> file_;  // bytes_ are a part of it
  Make make_;                               // bytes_ are pages of our own
  bool left_out_ = false;
  std::optional<uint32_t> checksum_;
  mutable std::mutex mutex_;
  mutable int users_ = 0;               // by mutex_; above 0: resident
  mutable std::optional<bool> intact_;  // by mutex_; once check() has looked
};

// Keeps a constant's bytes resident.
class ConstantUse {
 public:
  explicit ConstantUse(std::shared_ptr<const Constant> constant) : constant_(std::move(constant)) {
    constant_->acquire();
  }
  ~ConstantUse() {
    if (constant_ != nullptr) constant_->release();
  }
  ConstantUse(ConstantUse&& other) noexcept = default;
  ConstantUse& operator=(ConstantUse&& other) noexcept {
    std::swap(constant_, other.constant_);
    return *this;
  }

  std::span<const std::byte> bytes() const { return constant_->bytes_; }

 private:
  std::shared_ptr<const Constant> constant_;
};

}  // namespace inferd
