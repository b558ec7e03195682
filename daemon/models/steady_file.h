// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "inferd/engine/status.h"

namespace inferd::models {

// A file as it was when it was read. A value.
class FileMark {
 public:
  FileMark(std::string path, const struct stat& about) : path_(std::move(path)), about_(about) {}

  // Whether who has it mapped still sees what it was: FAILED_PRECONDITION when it was written to
  // since. A file that was removed, or replaced by another one, stays what it was for who has it.
  Status check_not_overwritten() const;

 private:
  std::string path_;
  struct stat about_;
};

// A file that somebody may still be copying to its place, held while it is read. Where the kernel
// lets us (the file is ours), nobody has it open for writing and whoever wants to waits meanwhile;
// elsewhere it must have been left alone for a second before.
class SteadyFile {
 public:
  // May wait a second. UNAVAILABLE: it is being written; NOT_FOUND.
  static Result<SteadyFile> open(const std::string& path);
  ~SteadyFile();
  SteadyFile(SteadyFile&& other) noexcept;
  SteadyFile& operator=(SteadyFile&&) = delete;

  // UNAVAILABLE when it was written to or replaced since open().
  Status check_unchanged() const;

  FileMark mark() const { return {path_, about_}; }

 private:
  SteadyFile(std::string path, int file, const struct stat& about)
      : path_(std::move(path)), file_(file), about_(about) {}

  std::string path_;
  int file_;
  struct stat about_;
};

}  // namespace inferd::models
