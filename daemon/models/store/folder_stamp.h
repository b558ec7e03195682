// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::models {

// Which files there are in a folder and below, and when each was last changed. Two that are equal
// say that nothing was written, replaced, added or removed between them, as far as the file system
// tells: the time of an inode's last change (st_ctime) cannot be set, but has the kernel's ticks.
class FolderStamp {
 public:
  // NOT_FOUND for a file that goes meanwhile.
  static Result<FolderStamp> of(const std::string& folder);
  bool operator==(const FolderStamp&) const = default;

 private:
  struct File {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
    off_t bytes = 0;
    int64_t modified_ns = 0, changed_ns = 0;  // since the epoch
    bool operator==(const File&) const = default;
  };
  std::vector<File> files_;  // by path
};

}  // namespace inferd::models
