// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/inferctl/command.h"

namespace inferd::ctl {

// pipeline check, pipeline reload.
void add_pipeline_check(CLI::App& pipeline, const Globals& globals, Run& chosen);

}  // namespace inferd::ctl
