// SPDX-License-Identifier: Apache-2.0
#include "engine/base/cache_size.h"

#include <charconv>
#include <fstream>
#include <string_view>

namespace inferd {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A number at the front of `text`, which moves behind it; -1 where there is none.
int64_t take_number(std::string_view& text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// "512K"
int64_t parse_size(std::string_view text) {
  const int64_t value = take_number(text);
  if (value < 0) return 0;
  if (text.starts_with('K')) return value << 10;
  if (text.starts_with('M')) return value << 20;
  return value;
}

// How many CPUs are in a list as "0-3,8"; at least one.
int64_t count_cpus(std::string_view list) {
  int64_t count = 0;
  while (!list.empty()) {
    const int64_t first = take_number(list);
    int64_t last = first;
    if (list.starts_with('-')) {
      list.remove_prefix(1);
      last = take_number(list);
    }
    if (first < 0 || last < first) break;
    count += last - first + 1;
    if (list.starts_with(',')) list.remove_prefix(1);
  }
  return count > 0 ? count : 1;
}

}  // namespace

int64_t second_level_cache_bytes(const std::string& cpu_folder) {
  constexpr int kMostCaches = 8;
  for (int i = 0; i < kMostCaches; ++i) {
    const std::string cache = cpu_folder + "/index" + std::to_string(i) + "/";
    if (read_line(cache + "level") != "2") continue;
    // Threads of one core share its cache, but layers run on one of them at a time: taking them for
    // cores only makes the share smaller.
    return parse_size(read_line(cache + "size")) / count_cpus(read_line(cache + "shared_cpu_list"));
  }
  return 0;
}

}  // namespace inferd
