// SPDX-License-Identifier: Apache-2.0
//
// The commands of `inferctl model`, a file for each or for a few that are alike.
#pragma once

#include "clients/inferctl/command.h"
#include "inferd/client/deployments.h"

namespace inferd::ctl {

void add_model_push(CLI::App& model, const Globals& globals, Run& chosen);
// show, deploy, promote, rollback, pin, unpin, rm
void add_model_versions(CLI::App& model, const Globals& globals, Run& chosen);

// Those that say how a deployment goes.
void add_rollout_options(CLI::App& command, RolloutOptions& rollout);

}  // namespace inferd::ctl
