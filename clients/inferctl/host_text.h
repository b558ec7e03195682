// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "inferd/client/client.h"

namespace inferd::ctl {

nlohmann::json to_json(const HostInfo& host);

// A line about the machine, and one about the governor where there is one; to standard output.
void print_host(const HostInfo& host);

}  // namespace inferd::ctl
