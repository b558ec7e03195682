// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

namespace inferd::config {
namespace {

std::optional<uint32_t> number(const std::string& text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<uid_t> user_called(const std::string& name) {
  if (const auto id = number(name)) return *id;
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return not_found("there is no user '" + name + "'");
  return found->pw_uid;
}

Result<gid_t> group_called(const std::string& name) {
  if (const auto id = number(name)) return *id;
  std::vector<char> buffer(1 << 16);  // groups may have many members
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return not_found("there is no group '" + name + "'");
  return found->gr_gid;
}

std::string name_of_user(uid_t user) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  return found == nullptr ? std::to_string(user) : found->pw_name;
}

}  // namespace inferd::config
