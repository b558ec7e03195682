// SPDX-License-Identifier: Apache-2.0
//
// Changes to files that outlive a power cut: when a function here returns OK, what it did is on the
// disk. Errors name the path: RESOURCE_EXHAUSTED when the disk is full, FAILED_PRECONDITION where
// nothing can be written (read-only, no permission), NOT_FOUND, ALREADY_EXISTS, UNAVAILABLE for the
// rest. Any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::models {

// The last error of a system call on `path`, as a Status; `what` is "write", "rename".
Status system_error(std::string_view what, const std::string& path);

// Makes a folder and those above it that are missing.
Status make_folders(const std::string& path);

// What was renamed, made or removed in a folder.
Status sync_folder(const std::string& path);

// `to` must not exist. Both folders are synced.
Status rename_durably(const std::string& from, const std::string& to);

inline constexpr mode_t kUsualMode = 0644;

// The whole content of a file: it is the old one or the new one, never a part. `mode`: its
// permissions; the usual ones are as the process's umask leaves them.
Status write_durably(const std::string& path, std::string_view content, mode_t mode = kUsualMode);

// A folder and all in it. Synced files stay synced; folders are, from the bottom up.
Status sync_tree(const std::string& folder);
// Not durable in itself: whoever finds a part of it again removes it again.
Status remove_tree(const std::string& folder);

// A file that is written at its end.
class AppendedFile {
 public:
  AppendedFile() = default;
  ~AppendedFile();
  AppendedFile(AppendedFile&& other) noexcept;
  AppendedFile& operator=(AppendedFile&& other) noexcept;

  // Made if it is missing; then its folder is synced.
  static Result<AppendedFile> open(const std::string& path);

  int64_t size() const { return size_; }
  Status append(std::span<const std::byte> bytes);  // on an error, a part of them may be there
  Status truncate(int64_t size);
  Status sync();

 private:
  std::string path_;
  int file_ = -1;
  int64_t size_ = 0;
};

}  // namespace inferd::models
