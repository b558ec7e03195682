// SPDX-License-Identifier: Apache-2.0
//
// Small files of the kernel and of /etc.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace inferd::ctl {

// The first line; none: there is no such file, or it cannot be read.
std::optional<std::string> first_line(const std::string& path);
// The number that it begins with.
std::optional<int64_t> number_in(const std::string& path);
// Entries of a folder whose names begin so, sorted, as whole paths; none where there is no folder.
std::vector<std::string> entries(const std::string& folder, const std::string& prefix);

struct User {
  uint32_t id = 0;
  std::set<uint32_t> groups;
};
// As <root>/etc/passwd and <root>/etc/group have it.
std::optional<User> find_user(const std::string& root, const std::string& name);
// The name of a group by its number; the number where it has none.
std::string group_name(const std::string& root, uint32_t id);

// Whether the file's permissions let the user read and write it; false where there is no such file.
bool may_use(const User& user, const std::string& path);
// Whether the user may make files in a folder; the same.
bool may_write_in(const User& user, const std::string& folder);

}  // namespace inferd::ctl
