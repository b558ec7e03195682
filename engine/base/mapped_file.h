// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "inferd/engine/status.h"

namespace inferd {

// A regular file mapped read-only. Immutable; unmapped when the last holder goes. The bytes are
// those of the file: whoever truncates it in place afterwards gets the process a SIGBUS, which is
// why the model repository replaces files by rename only.
class MappedFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a folder, a device, empty) or
  // RESOURCE_EXHAUSTED (larger than `max_bytes`, or than addresses reach); the message names the
  // path.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path, int64_t max_bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

  // Takes the pages of a part (of everything) out of this process's memory. They stay readable and
  // come back from the file.
  void forget(std::span<const std::byte> part) const;
  void forget() const { forget(bytes_); }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace inferd
