// SPDX-License-Identifier: Apache-2.0
//
// Regular files, read and made anew. Private to this folder. Errors are NOT_FOUND,
// PERMISSION_DENIED, ALREADY_EXISTS, INVALID_ARGUMENT (a folder, a device), RESOURCE_EXHAUSTED (too
// large, no space) or UNAVAILABLE; messages name the path.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "inferd/engine/status.h"

namespace inferd::package {

// An open file that closes itself.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

class InputFile {
 public:
  static Result<InputFile> open(const std::string& path);

  int64_t bytes() const { return bytes_; }  // when it was opened
  // What comes next, as much as fits; 0 at the end.
  Result<size_t> read(std::span<std::byte> buffer) const;
  int fd() const { return fd_.get(); }
  mode_t mode() const { return mode_; }
  const std::string& path() const { return path_; }

 private:
  InputFile(FileDescriptor fd, std::string path, int64_t bytes, mode_t mode)
      : fd_(std::move(fd)), path_(std::move(path)), bytes_(bytes), mode_(mode) {}

  FileDescriptor fd_;
  std::string path_;
  int64_t bytes_;
  mode_t mode_;
};

// A file's content in memory, read-only, as it was when it was opened; the file may be closed.
// Whoever truncates it in place gets the process a SIGBUS.
class Mapping {
 public:
  static Result<Mapping> of(const InputFile& file);
  Mapping() = default;  // of nothing
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit Mapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// A whole small file.
Result<std::string> read_text(const InputFile& file, int64_t max_bytes);

// A file that was not there before; it is removed again unless finish() succeeds.
class OutputFile {
 public:
  static Result<OutputFile> create(const std::string& path, mode_t mode);
  OutputFile(OutputFile&&) = default;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  // Waits until the content is on the disk.
  Status finish();

 private:
  OutputFile(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  FileDescriptor fd_;  // none: moved from, or finished
  std::string path_;
};

}  // namespace inferd::package
