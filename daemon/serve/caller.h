// SPDX-License-Identifier: Apache-2.0
//
// Clients as a canary can choose them, whatever they speak.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/serve/access.h"

namespace inferd::serve {

// The header, of HTTP or a gRPC call, in which a client may say its name. Nobody checks it: it is
// for choosing among clients, never for what they may.
inline constexpr const char* kClientNameHeader = "inferd-client";

// As models::Caller gives them. `own_name`: what the client says; empty: nothing.
std::vector<std::string> caller_keys(const Peer& peer, std::string_view own_name);

}  // namespace inferd::serve
