// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/machine/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

namespace inferd::host {
namespace {

constexpr size_t kMaxLine = 4000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0'; }

bool before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// One number at the beginning of `text`, which it is taken from.
std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

}  // namespace

std::optional<std::string> first_line(const std::string& path) {
  // Without waiting: what is called like a file of the kernel's may be something else.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return std::nullopt;
  std::array<char, kMaxLine + 1> buffer;
  const ssize_t count = ::read(file, buffer.data(), buffer.size());
  ::close(file);
  if (count <= 0) return std::nullopt;
  std::string_view text(buffer.data(), static_cast<size_t>(count));
  const size_t end = text.find('\n');
  if (end == std::string_view::npos && text.size() > kMaxLine) return std::nullopt;
  text = text.substr(0, end);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  return std::string(text);
}

std::optional<int64_t> number_in(const std::string& path, int base) {
  const auto line = first_line(path);
  if (!line) return std::nullopt;
  std::string_view text = *line;
  if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<int> cpus_in(const std::string& path) {
  constexpr int kMaxCpus = 1024;
  std::vector<int> cpus;
  const auto line = first_line(path);
  std::string_view text = line ? std::string_view(*line) : std::string_view();
  while (!text.empty()) {
    const auto first = take_number(text);
    if (!first) return {};
    auto last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number(text);
    }
    if (!last || *last < *first || *last >= kMaxCpus) return {};
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
    while (!text.empty() && (text.front() == ',' || is_space(text.front()))) text.remove_prefix(1);
    if (cpus.size() > kMaxCpus) return {};
  }
  return cpus;
}

std::vector<std::string> entries_of(const std::string& folder, const std::string& prefix) {
  constexpr size_t kMaxEntries = 256;
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code error;
  // Unlike a range-based loop, increment() does not throw.
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename();
    if (name.starts_with(prefix) && names.size() < kMaxEntries) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end(), before);
  return names;
}

}  // namespace inferd::host
