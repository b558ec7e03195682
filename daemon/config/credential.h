// SPDX-License-Identifier: Apache-2.0
//
// "credential:NAME" in the place of a path: a file that systemd gives the service and nobody else
// (LoadCredential= in systemd.exec(5)), so that keys need not be readable for the service's user.
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::config {

bool is_credential(const std::string& path);

// Where the credential lies. `path`: as is_credential() has it. INVALID_ARGUMENT: it has no name
// that may be one. FAILED_PRECONDITION: this process was given no credentials.
Result<std::string> credential_path(const std::string& path);

}  // namespace inferd::config
