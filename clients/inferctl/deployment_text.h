// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "clients/inferctl/command.h"
#include "inferd/client/deployments.h"

namespace inferd::ctl {

nlohmann::json to_json(const DeploymentInfo& deployment);

// As text or JSON on standard output.
Status print_deployment(const DeploymentInfo& deployment, const Globals& globals);

// Prints each step when it is done, until the deployment has ended. FAILED_PRECONDITION with the
// reason when it was refused or rolled back.
Status follow_deployment(DeploymentClient& client, const std::string& id, const Globals& globals);

}  // namespace inferd::ctl
