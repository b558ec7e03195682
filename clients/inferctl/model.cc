// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/model_commands.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

Status list(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const auto models, client->models());
  nlohmann::json json = nlohmann::json::array();
  for (const ServedModelInfo& m : models) {
    nlohmann::json item = {{"name", m.name},
                           {"version", m.version},
                           {"state", m.state},
                           {"reason", m.reason},
                           {"platform", m.platform},
                           {"inputs", nlohmann::json::array()},
                           {"outputs", nlohmann::json::array()}};
    for (const TensorInfo& t : m.inputs) item["inputs"].push_back(to_json(t));
    for (const TensorInfo& t : m.outputs) item["outputs"].push_back(to_json(t));
    json.push_back(std::move(item));
    if (globals.json) continue;
    std::printf("%-24s %-4s %-12s %s\n", m.name.c_str(), m.version.c_str(), m.state.c_str(),
                m.reason.c_str());
    for (const TensorInfo& t : m.inputs) std::printf("  input  %s\n", to_text(t).c_str());
    for (const TensorInfo& t : m.outputs) std::printf("  output %s\n", to_text(t).c_str());
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

}  // namespace

void add_model(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("model", "the daemon's models, and packages of models");
  command->require_subcommand(1);
  CLI::App* list_command =
      command->add_subcommand("list", "loaded models with their inputs and outputs");
  list_command->callback([&] { chosen = [&globals] { return list(globals); }; });
  add_model_sign(*command, globals, chosen);
  add_model_verify(*command, globals, chosen);
  add_model_push(*command, globals, chosen);
  add_model_versions(*command, globals, chosen);
}

}  // namespace inferd::ctl
