// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/deployment_text.h"

#include <cstdio>
#include <iostream>

namespace inferd::ctl {
namespace {

std::string heading(const DeploymentInfo& deployment) {
  std::string text = "deployment " + deployment.id + ":";
  for (const DeploymentInfo::Change& change : deployment.changes) {
    text += " " + change.model + " ";
    if (change.replaces > 0) text += std::to_string(change.replaces) + " -> ";
    text += std::to_string(change.version) + ",";
  }
  text.pop_back();
  return text;
}

void print(const DeploymentInfo::Step& step) {
  std::printf("  %-10s %10.3f ms  %s\n", step.name.c_str(),
              static_cast<double>(step.took_us) / 1000, step.note.c_str());
  std::fflush(stdout);
}

Status end_of(const DeploymentInfo& deployment) {
  if (deployment.state != "refused" && deployment.state != "rolled back") return ok_status();
  return failed_precondition("deployment " + deployment.id + " was " + deployment.state + ": " +
                             deployment.reason);
}

}  // namespace

nlohmann::json to_json(const DeploymentInfo& deployment) {
  nlohmann::json json = {{"id", deployment.id},
                         {"state", deployment.state},
                         {"reason", deployment.reason},
                         {"begun_ms", deployment.begun_ms},
                         {"ended_ms", deployment.ended_ms},
                         {"changes", nlohmann::json::array()},
                         {"steps", nlohmann::json::array()}};
  for (const DeploymentInfo::Change& change : deployment.changes) {
    json["changes"].push_back(
        {{"model", change.model}, {"version", change.version}, {"replaces", change.replaces}});
  }
  for (const DeploymentInfo::Step& step : deployment.steps)
    json["steps"].push_back({{"name", step.name}, {"took_us", step.took_us}, {"note", step.note}});
  return json;
}

Status print_deployment(const DeploymentInfo& deployment, const Globals& globals) {
  if (globals.json) {
    std::cout << to_json(deployment).dump(2) << "\n";
    return ok_status();
  }
  std::cout << heading(deployment) << " is " << deployment.state
            << (deployment.reason.empty() ? "" : ": " + deployment.reason) << "\n";
  for (const DeploymentInfo::Step& step : deployment.steps) {
    if (step.took_us >= 0) {
      print(step);
    } else {
      std::cout << "  " << step.name << ": " << (step.note.empty() ? "now" : step.note) << "\n";
    }
  }
  return ok_status();
}

Status follow_deployment(DeploymentClient& client, const std::string& id, const Globals& globals) {
  DeploymentInfo last;
  size_t printed = 0;
  const auto show = [&](const DeploymentInfo& deployment) {
    if (last.id.empty() && !globals.json) std::cout << heading(deployment) << "\n";
    last = deployment;
    for (; printed < last.steps.size() && last.steps[printed].took_us >= 0; ++printed)
      if (!globals.json) print(last.steps[printed]);
    return true;
  };
  INFERD_RETURN_IF_ERROR(client.watch(id, show));
  if (globals.json) std::cout << to_json(last).dump(2) << "\n";
  if (!globals.json && end_of(last).ok()) std::cout << last.state << "\n";
  return end_of(last);
}

}  // namespace inferd::ctl
