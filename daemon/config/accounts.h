// SPDX-License-Identifier: Apache-2.0
//
// Users and groups of the machine as configurations name them.
#pragma once

#include <sys/types.h>

#include <string>

#include "inferd/engine/status.h"

namespace inferd::config {

// By name or number; a number need not be known to the machine. NOT_FOUND for a name that is not.
Result<uid_t> user_called(const std::string& name);
Result<gid_t> group_called(const std::string& name);

// Its name, or its number where it has none.
std::string name_of_user(uid_t user);

}  // namespace inferd::config
