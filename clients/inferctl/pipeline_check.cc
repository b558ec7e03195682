// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/pipeline_commands.h"

namespace inferd::ctl {
namespace {

struct CheckOptions {
  std::string file;
  std::vector<std::string> settings;  // "name=value"
  bool dot = false;
};

Status check(const Globals& globals, const CheckOptions& options) {
  std::map<std::string, std::string> parameters;
  for (const std::string& setting : options.settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos)
      return invalid_argument("--set takes NAME=VALUE, not '" + setting + "'");
    parameters[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const PipelineCheck found,
                          client->check_pipeline(options.file, parameters));
  if (globals.json) {
    std::cout << nlohmann::json{{"errors", found.errors}, {"text", found.text}, {"dot", found.dot}}
                     .dump(2)
              << "\n";
  } else {
    for (const std::string& error : found.errors) std::cerr << error << "\n";
    std::cout << (options.dot ? found.dot : found.text);
  }
  if (found.errors.empty()) return ok_status();
  return invalid_argument("'" + options.file + "' has " + std::to_string(found.errors.size()) +
                          (found.errors.size() == 1 ? " error" : " errors"));
}

Status reload(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const auto pipelines, client->reload_pipelines());
  if (!globals.json) {
    for (const PipelineInfo& p : pipelines)
      std::cout << p.name << ": " << p.state << (p.reason.empty() ? "" : ", " + p.reason) << "\n";
    return ok_status();
  }
  nlohmann::json json = nlohmann::json::array();
  for (const PipelineInfo& p : pipelines)
    json.push_back({{"name", p.name}, {"state", p.state}, {"reason", p.reason}});
  std::cout << json.dump(2) << "\n";
  return ok_status();
}

}  // namespace

void add_pipeline_check(CLI::App& pipeline, const Globals& globals, Run& chosen) {
  CLI::App* command = pipeline.add_subcommand(
      "check", "what is wrong with a pipeline's file, for the models of the daemon; or its nodes");
  const auto options = std::make_shared<CheckOptions>();
  command->add_option("FILE", options->file, "YAML file of one pipeline")->required();
  command->add_option("--set", options->settings, "NAME=VALUE of a parameter; can be repeated");
  command->add_flag("--dot", options->dot, "the nodes as a graph for Graphviz");
  command->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return check(globals, *options); };
  });
  CLI::App* again = pipeline.add_subcommand(
      "reload", "takes the pipelines that the daemon's configuration has now; the others run on");
  again->callback([&globals, &chosen] { chosen = [&globals] { return reload(globals); }; });
}

}  // namespace inferd::ctl
