// SPDX-License-Identifier: Apache-2.0
//
// inferctl's whole command line, for the program and for its manual page.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "clients/inferctl/command.h"

namespace inferd::ctl {

// Parsing fills `globals` and `chosen`, what the command that was given does. Both must live as
// long as `app`.
void add_everything(CLI::App& app, Globals& globals, Run& chosen, const std::string& version);

}  // namespace inferd::ctl
