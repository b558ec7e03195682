// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/client_name.h"

#include "daemon/config/accounts.h"

namespace inferd::config {
namespace {

constexpr std::string_view kUser = "user:", kGroup = "group:", kSubject = "subject:";

// What follows the kind; nothing if it is of another one.
std::string after(std::string_view kind, const std::string& name) {
  return name.starts_with(kind) ? name.substr(kind.size()) : "";
}

}  // namespace

Status check_client_name(const std::string& name) {
  for (const std::string_view kind : {kUser, kGroup, kSubject}) {
    if (!after(kind, name).empty()) return ok_status();
  }
  if (!name.empty() && name.find(':') == std::string::npos) return ok_status();
  return invalid_argument("'" + name +
                          "' is no client: write user:NAME, group:NAME, subject:NAME, or the name "
                          "that it gives itself, which has no ':'");
}

Result<std::string> client_key(const std::string& name) {
  INFERD_RETURN_IF_ERROR(check_client_name(name));
  if (const std::string user = after(kUser, name); !user.empty()) {
    INFERD_ASSIGN_OR_RETURN(const uid_t id, user_called(user));
    return user_key(id);
  }
  if (const std::string group = after(kGroup, name); !group.empty()) {
    INFERD_ASSIGN_OR_RETURN(const gid_t id, group_called(group));
    return group_key(id);
  }
  return name.starts_with(kSubject) ? name : own_name_key(name);
}

std::string user_key(uid_t user) { return std::string(kUser) + std::to_string(user); }
std::string group_key(gid_t group) { return std::string(kGroup) + std::to_string(group); }
std::string subject_key(std::string_view common_name) {
  return std::string(kSubject) + std::string(common_name);
}
std::string own_name_key(std::string_view said) { return "name:" + std::string(said); }

}  // namespace inferd::config
