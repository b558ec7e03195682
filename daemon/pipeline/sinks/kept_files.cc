// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/kept_files.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <string_view>

#include "daemon/schedule/request.h"
#include "media/file.h"

namespace inferd::pipeline {
namespace {

constexpr std::string_view kTimePattern = "00000000T000000.000Z";

int64_t unix_ms(int64_t monotonic_ns) {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  return (now_ns - (schedule::now_ns() - monotonic_ns)) / 1'000'000;
}

std::string format_time(int64_t ms, const char* seconds_format) {
  const time_t seconds = ms / 1000;
  tm parts;
  ::gmtime_r(&seconds, &parts);
  char text[40], all[48];
  text[std::strftime(text, sizeof text, seconds_format, &parts)] = 0;
  std::snprintf(all, sizeof all, "%s.%03dZ", text, static_cast<int>(ms % 1000));
  return all;
}

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

bool is_time(std::string_view text) {
  return text.size() == kTimePattern.size() &&
         std::equal(text.begin(), text.end(), kTimePattern.begin(),
                    [](char c, char p) { return p == '0' ? is_digit(c) : c == p; });
}

}  // namespace

std::string utc_text(int64_t monotonic_ns) {
  return format_time(unix_ms(monotonic_ns), "%Y-%m-%dT%H:%M:%S");
}

KeptFiles::KeptFiles(std::string folder, int64_t max_bytes, std::vector<std::string> extensions)
    : folder_(std::move(folder)), max_bytes_(max_bytes), extensions_(std::move(extensions)) {}

// Memory cards with FAT take no ':'.
std::string KeptFiles::prefix_for(const FrameResult& result) {
  std::string prefix = result.pipeline + "_" + result.node;
  for (char& c : prefix) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("._-@").find(c) != std::string_view::npos;
    if (!plain) c = '-';
  }
  return prefix;
}

bool KeptFiles::is_ours(const std::string& name, const std::string& prefix,
                        const std::string& extension) const {
  return name.size() == prefix.size() + 1 + kTimePattern.size() + extension.size() &&
         name.starts_with(prefix + "_") && name.ends_with(extension) &&
         is_time(std::string_view(name).substr(prefix.size() + 1, kTimePattern.size()));
}

// As media::write_file() calls it, by whichever process.
bool KeptFiles::is_half(const std::string& name, const std::string& prefix) const {
  const size_t at = name.rfind(media::kTemporary);
  if (at == std::string::npos) return false;
  const auto number =
      std::string_view(name).substr(at + std::string_view(media::kTemporary).size());
  return !number.empty() && std::all_of(number.begin(), number.end(), is_digit) &&
         std::any_of(extensions_.begin(), extensions_.end(),
                     [&](const std::string& e) { return is_ours(name.substr(0, at), prefix, e); });
}

Status KeptFiles::find(const std::string& prefix, const std::string& extension,
                       const std::function<void(const std::string& path)>& leftover) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto for_each_name = [&](const auto& body) {
    fs::directory_iterator file(folder_, error);
    for (; !error && file != fs::directory_iterator(); file.increment(error)) body(*file);
  };
  std::vector<std::string> leftovers, halves;
  for_each_name([&](const fs::directory_entry& file) {
    if (is_half(file.path().filename(), prefix)) halves.push_back(file.path());
  });
  for (const std::string& path : halves) ::unlink(path.c_str());
  if (leftover != nullptr) {
    const std::string part = extension + ".part";
    for_each_name([&](const fs::directory_entry& file) {
      const std::string name = file.path().filename();
      if (is_ours(name, prefix, part))
        leftovers.push_back(name.substr(0, name.size() - part.size()));
    });
  }
  for (const std::string& name : leftovers) leftover(folder_ + "/" + name);
  std::map<std::string, int64_t> found;
  for_each_name([&](const fs::directory_entry& file) {
    const std::string name = file.path().filename();
    for (const std::string& e : extensions_) {
      if (!is_ours(name, prefix, e)) continue;
      std::error_code gone;
      const auto size = file.file_size(gone);
      if (!gone) found[name.substr(0, name.size() - e.size())] += static_cast<int64_t>(size);
    }
  });
  if (error) return unavailable(error.message());
  for (const auto& [name, bytes] : found) {
    sets_.insert(sets_.begin() + static_cast<std::ptrdiff_t>(found_++),
                 {folder_ + "/" + name, bytes});
    bytes_ += bytes;
  }
  // By their times alone: those of several prefixes.
  std::sort(sets_.begin(), sets_.begin() + static_cast<std::ptrdiff_t>(found_),
            [](const Set& a, const Set& b) {
              const auto time = [](const Set& s) {
                return std::string_view(s.path).substr(s.path.size() - kTimePattern.size());
              };
              return time(a) < time(b);
            });
  return ok_status();
}

// Any file of a set, also of one that is not complete.
bool KeptFiles::is_there(const std::string& path) const {
  return std::any_of(extensions_.begin(), extensions_.end(), [&](const std::string& e) {
    return ::access((path + e).c_str(), F_OK) == 0 ||
           ::access((path + e + ".part").c_str(), F_OK) == 0;
  });
}

int64_t KeptFiles::bytes_of(const std::string& path) const {
  int64_t bytes = 0;
  for (const std::string& e : extensions_) {
    std::error_code gone;
    const auto size = std::filesystem::file_size(path + e, gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

void KeptFiles::remove(const std::string& path) const {
  for (const std::string& e : extensions_) ::unlink((path + e).c_str());
}

void KeptFiles::forget(size_t set) {
  bytes_ -= sets_[set].bytes;
  sets_.erase(sets_.begin() + static_cast<std::ptrdiff_t>(set));
  if (set < found_) --found_;
}

std::string KeptFiles::new_path(const std::string& prefix, int64_t monotonic_ns) {
  int64_t ms = std::max(unix_ms(monotonic_ns), int64_t{0});
  std::string path;
  do {  // the clock may have been put back
    path = folder_ + "/" + prefix + "_" + format_time(ms++, "%Y%m%dT%H%M%S");
  } while (is_there(path));
  return path;
}

void KeptFiles::forget_gone() {
  for (size_t i = sets_.size(); i-- > 0;) {
    if (!is_there(sets_[i].path)) forget(i);
  }
}

bool KeptFiles::take(int64_t bytes) {
  while (!fits(bytes) && !sets_.empty()) {
    remove(sets_.front().path);
    forget(0);
  }
  if (!fits(bytes)) return false;
  bytes_ += bytes;
  return true;
}

}  // namespace inferd::pipeline
