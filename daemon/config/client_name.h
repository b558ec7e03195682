// SPDX-License-Identifier: Apache-2.0
//
// Clients as a configuration chooses some of them:
//
//   user:NAME, group:NAME   the process at the other end of a Unix socket, by name or number
//   subject:NAME            who showed a certificate with this common name
//   NAME                    whoever says that this is its name; has no ':'
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::config {

// INVALID_ARGUMENT unless it is one of these.
Status check_client_name(const std::string& name);

// Such a name in the form in which clients are compared: what the functions below give. NOT_FOUND
// for a user or a group that the machine does not know.
Result<std::string> client_key(const std::string& name);

// What a client can be chosen by.
std::string user_key(uid_t user);
std::string group_key(gid_t group);
std::string subject_key(std::string_view common_name);
std::string own_name_key(std::string_view said);  // by itself, whatever that is

}  // namespace inferd::config
