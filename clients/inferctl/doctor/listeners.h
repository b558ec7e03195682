// SPDX-License-Identifier: Apache-2.0
//
// Where the daemon is to listen: what `inferd --listeners` says of a configuration.
#pragma once

#include <string>
#include <vector>

#include "clients/inferctl/doctor/check.h"

namespace inferd::ctl {

struct Listener {
  std::string protocol;  // "grpc", "http", "local" or "frigate"
  std::string address;   // "unix:PATH" or "HOST:PORT"
  bool loopback = false, tls = false, rules = false;
  std::string at;  // "file:line:column"
};

// INVALID_ARGUMENT: no such list.
Result<std::vector<Listener>> read_listeners(const std::string& json);

// What keeps the daemon from listening there, or lets in more than was meant.
void examine_listeners(const Patient& patient, const std::vector<Listener>& listeners,
                       Findings& findings);

}  // namespace inferd::ctl
