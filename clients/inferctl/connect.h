// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "clients/inferctl/command.h"
#include "inferd/client/client.h"

namespace inferd::ctl {

// Adds --endpoint and how to be let in there: --ca, --cert, --key and --token-file.
void add_connection_options(CLI::App& app, Globals& globals);

// What the options say, with the token read. NOT_FOUND, INVALID_ARGUMENT: not from that file.
Result<ConnectOptions> connect_options(const Globals& globals);

Result<std::unique_ptr<Client>> connect(const Globals& globals);

}  // namespace inferd::ctl
