// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/folder_stamp.h"

#include <sys/stat.h>

#include <algorithm>

#include "daemon/models/versions_on_disk.h"

namespace inferd::models {
namespace {

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Result<FolderStamp> FolderStamp::of(const std::string& folder) {
  std::vector<std::string> paths = files_in_folder(folder);
  std::sort(paths.begin(), paths.end());
  FolderStamp stamp;
  for (std::string& path : paths) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return not_found("cannot look at '" + path + "'");
    stamp.files_.push_back({std::move(path), about.st_dev, about.st_ino, about.st_size,
                            nanoseconds(about.st_mtim), nanoseconds(about.st_ctim)});
  }
  return stamp;
}

}  // namespace inferd::models
