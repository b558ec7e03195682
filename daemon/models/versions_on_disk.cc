// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/versions_on_disk.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace inferd::models {

namespace fs = std::filesystem;

std::vector<int64_t> versions_on_disk(const std::string& model_folder) {
  std::vector<int64_t> versions;
  std::error_code error;
  // Unlike range-based loops, increment() does not throw.
  for (fs::directory_iterator it(model_folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    int64_t version = 0;
    const auto [rest, wrong] = std::from_chars(name.data(), name.data() + name.size(), version);
    if (wrong != std::errc() || rest != name.data() + name.size() || version < 1) continue;
    std::error_code unknown;
    if (name[0] != '0' && it->is_directory(unknown)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

std::vector<std::string> files_in_folder(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code unknown;
    if (it->is_regular_file(unknown)) files.push_back(it->path());
  }
  return files;
}

int64_t bytes_in_folder(const std::string& folder) {
  int64_t bytes = 0;
  for (const std::string& file : files_in_folder(folder)) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace inferd::models
