// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/doctor/files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace inferd::ctl {
namespace {

// The fields of each line of a file such as /etc/passwd.
std::vector<std::vector<std::string>> records(const std::string& path) {
  std::vector<std::vector<std::string>> all;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    std::vector<std::string>& fields = all.emplace_back();
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ':');) fields.push_back(field);
  }
  return all;
}

std::optional<uint32_t> as_id(const std::string& text) {
  uint32_t id = 0;
  std::istringstream stream(text);
  if (stream >> id) return id;
  return std::nullopt;
}

// `wanted`: as bits of others'.
bool has_rights(const User& user, const std::string& path, mode_t wanted) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  if (user.id == 0) return true;
  if (status.st_uid == user.id) return (status.st_mode >> 6 & wanted) == wanted;
  if (user.groups.contains(status.st_gid)) return (status.st_mode >> 3 & wanted) == wanted;
  return (status.st_mode & wanted) == wanted;
}

}  // namespace

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream stream(path);
  std::string line;
  if (std::getline(stream, line)) return line;
  return std::nullopt;
}

std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream stream(path);
  int64_t number = 0;
  if (stream >> number) return number;
  return std::nullopt;
}

std::vector<std::string> entries(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<User> find_user(const std::string& root, const std::string& name) {
  std::optional<User> user;
  for (const auto& fields : records(root + "/etc/passwd")) {
    if (fields.size() < 4 || fields[0] != name) continue;
    const auto id = as_id(fields[2]), group = as_id(fields[3]);
    if (id && group) user = User{*id, {*group}};
  }
  if (!user) return user;
  for (const auto& fields : records(root + "/etc/group")) {
    if (fields.size() < 4) continue;
    std::istringstream members(fields[3]);
    for (std::string member; std::getline(members, member, ',');) {
      const auto id = as_id(fields[2]);
      if (member == name && id) user->groups.insert(*id);
    }
  }
  return user;
}

std::string group_name(const std::string& root, uint32_t id) {
  for (const auto& fields : records(root + "/etc/group")) {
    if (fields.size() >= 3 && as_id(fields[2]) == id) return fields[0];
  }
  return std::to_string(id);
}

bool may_use(const User& user, const std::string& path) {
  return has_rights(user, path, S_IROTH | S_IWOTH);
}

bool may_write_in(const User& user, const std::string& folder) {
  return has_rights(user, folder, S_IWOTH | S_IXOTH);
}

}  // namespace inferd::ctl
