// SPDX-License-Identifier: Apache-2.0
#include "engine/base/constant.h"

#include <algorithm>
#include <new>

#include "engine/base/crc32c.h"
#include "engine/base/pages.h"

namespace inferd {
namespace {

// Below this a constant is not worth pages of its own.
constexpr size_t kSmall = size_t{16} << 10;

}  // namespace

std::shared_ptr<const Constant> Constant::own(std::vector<std::byte> bytes) {
  const std::shared_ptr<Constant> constant(new Constant);
  constant->owned_ = std::move(bytes);
  constant->bytes_ = constant->owned_;
  return constant;
}

std::shared_ptr<const Constant> Constant::copy_of(std::span<const std::byte> bytes) {
  return own({bytes.begin(), bytes.end()});
}

std::shared_ptr<const Constant> Constant::in_file(std::shared_ptr<const MappedFile> file,
                                                  std::span<const std::byte> bytes,
                                                  size_t alignment) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignment != 0) {
    return made(bytes.size(), [file = std::move(file), bytes](std::span<std::byte> copy) {
      std::copy(bytes.begin(), bytes.end(), copy.begin());
      file->forget(bytes);
    });
  }
  const std::shared_ptr<Constant> constant(new Constant);
  constant->bytes_ = bytes;
  constant->file_ = std::move(file);
  return constant;
}

std::shared_ptr<const Constant> Constant::in_checked_file(std::shared_ptr<const MappedFile> file,
                                                          std::span<const std::byte> bytes,
                                                          size_t alignment, uint32_t checksum) {
  const std::shared_ptr<Constant> constant =
      std::const_pointer_cast<Constant>(in_file(std::move(file), bytes, alignment));
  constant->checksum_ = checksum;
  return constant;
}

std::shared_ptr<const Constant> Constant::left_out(size_t bytes) {
  const std::shared_ptr<Constant> constant = std::const_pointer_cast<Constant>(
      made(bytes, [](std::span<std::byte> data) { std::ranges::fill(data, std::byte{0}); }));
  constant->left_out_ = true;
  return constant;
}

std::shared_ptr<const Constant> Constant::made(size_t bytes, Make make) {
  if (bytes < kSmall) {
    std::vector<std::byte> data(bytes);
    make(data);
    return own(std::move(data));
  }
  auto* const pages = static_cast<std::byte*>(map_pages(bytes));
  if (pages == nullptr) throw std::bad_alloc();
  const std::shared_ptr<Constant> constant(new Constant);
  constant->bytes_ = {pages, bytes};
  constant->make_ = std::move(make);
  return constant;
}

Constant::~Constant() {
  if (make_ != nullptr) unmap_pages(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::span<const std::byte> Constant::bytes() const {
  acquire();  // and never released
  return bytes_;
}

Status Constant::check() const {
  if (left_out_) return failed_precondition("its values were left out of the file");
  if (!checksum_) return ok_status();
  acquire();
  {
    const std::lock_guard lock(mutex_);
    if (!intact_) intact_ = crc32c(bytes_) == *checksum_;
  }
  release();
  return *intact_ ? ok_status() : data_loss("the file is corrupt: a checksum does not match");
}

void Constant::acquire() const {
  if (make_ == nullptr && file_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  // const_cast: the pages are ours, and nobody reads them before somebody uses them.
  if (users_++ == 0 && make_ != nullptr) {
    make_({const_cast<std::byte*>(bytes_.data()), bytes_.size()});
  }
}

void Constant::release() const {
  if (make_ == nullptr && file_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (--users_ > 0) return;
  if (file_ != nullptr) file_->forget(bytes_);
  if (make_ != nullptr) empty_pages(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace inferd
