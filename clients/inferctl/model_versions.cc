// SPDX-License-Identifier: Apache-2.0
//
// What becomes of versions that a daemon has: inferctl model show, deploy, promote, rollback, pin,
// unpin and rm.
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <iostream>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/deployment_text.h"
#include "clients/inferctl/model_commands.h"

namespace inferd::ctl {
namespace {

Result<std::unique_ptr<DeploymentClient>> deployments(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const ConnectOptions options, connect_options(globals));
  return DeploymentClient::connect(globals.endpoint, options);
}

std::string time_text(int64_t ms) {
  if (ms == 0) return "-";
  const std::time_t time = ms / 1000;
  std::tm local{};
  ::localtime_r(&time, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%F %T", &local);
  return text.data();
}

Status show(const Globals& globals, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  INFERD_ASSIGN_OR_RETURN(const StoredModelInfo model, client->show(name));
  nlohmann::json json = {{"model", model.model},
                         {"fallback", model.fallback},
                         {"pinned", model.pinned},
                         {"versions", nlohmann::json::array()}};
  for (const auto& v : model.versions) {
    json["versions"].push_back({{"version", v.version},
                                {"verdict", v.verdict},
                                {"reason", v.reason},
                                {"time_ms", v.time_ms},
                                {"bytes", v.bytes},
                                {"package", v.is_package},
                                {"serves", v.serves},
                                {"crashes", v.crashes}});
    if (globals.json) continue;
    std::string remarks = v.serves ? "serves" : v.version == model.fallback ? "fallback" : "";
    if (v.serves && model.pinned) remarks += ", pinned";
    std::printf("%-6lld %-12s %-19s %12lld bytes  %s%s\n", static_cast<long long>(v.version),
                v.is_package || v.time_ms > 0 ? v.verdict.c_str() : "copied",
                time_text(v.time_ms).c_str(), static_cast<long long>(v.bytes), remarks.c_str(),
                v.reason.empty() ? "" : (" (" + v.reason + ")").c_str());
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

// "NAME" or "NAME:VERSION".
Result<VersionName> version_of(const std::string& text) {
  VersionName version;
  const size_t colon = text.find(':');
  version.model = text.substr(0, colon);
  if (colon == std::string::npos) return version;
  const char* const end = text.data() + text.size();
  const auto [rest, wrong] = std::from_chars(text.data() + colon + 1, end, version.version);
  if (wrong == std::errc() && rest == end && version.version > 0) return version;
  return invalid_argument("'" + text + "' is not NAME:VERSION");
}

Status deploy(const Globals& globals, const std::vector<std::string>& names,
              const RolloutOptions& rollout) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  std::vector<VersionName> versions;
  for (const std::string& name : names) {
    INFERD_ASSIGN_OR_RETURN(versions.emplace_back(), version_of(name));
    if (versions.back().version == 0) return invalid_argument("'" + name + "' is not NAME:VERSION");
  }
  INFERD_ASSIGN_OR_RETURN(const auto deployment, client->deploy({}, versions, rollout));
  return follow_deployment(*client, deployment.id, globals);
}

Status promote(const Globals& globals, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  INFERD_ASSIGN_OR_RETURN(const VersionName version, version_of(name));
  INFERD_ASSIGN_OR_RETURN(const auto deployment, client->promote(version));
  return follow_deployment(*client, deployment.id, globals);
}

// What it then is, is what was asked for, also where the deployment itself has failed by it.
Status roll_back(const Globals& globals, const std::string& model, const std::string& reason) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  INFERD_ASSIGN_OR_RETURN(const auto deployment, client->roll_back(model, reason));
  const Status followed = follow_deployment(*client, deployment.id, globals);
  const bool taken_back =
      followed.code() == StatusCode::kFailedPrecondition && followed.message().ends_with(reason);
  return taken_back ? ok_status() : followed;
}

Status pin(const Globals& globals, const std::string& model, bool pinned) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  return client->pin(model, pinned);
}

Status remove(const Globals& globals, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  INFERD_ASSIGN_OR_RETURN(const VersionName version, version_of(name));
  return client->remove(version);
}

Status list(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, deployments(globals));
  INFERD_ASSIGN_OR_RETURN(const auto list, client->list());
  nlohmann::json json = nlohmann::json::array();
  for (const DeploymentInfo& deployment : list) {
    json.push_back(to_json(deployment));
    if (!globals.json) INFERD_RETURN_IF_ERROR(print_deployment(deployment, globals));
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

// A command whose only argument is the name of something.
template <typename Act>
CLI::App* add_named(CLI::App& model, Run& chosen, const std::string& name, const std::string& what,
                    const std::string& argument, Act act) {
  CLI::App* command = model.add_subcommand(name, what);
  const auto text = std::make_shared<std::string>();
  command->add_option(argument, *text)->required();
  command->callback([&chosen, text, act] { chosen = [text, act] { return act(*text); }; });
  return command;
}

}  // namespace

void add_model_versions(CLI::App& model, const Globals& globals, Run& chosen) {
  add_named(model, chosen, "show", "the versions of a model, and what became of each", "NAME",
            [&globals](const std::string& name) { return show(globals, name); });
  add_named(model, chosen, "promote",
            "end a deployment's waiting, or let another version serve at once", "NAME[:VERSION]",
            [&globals](const std::string& name) { return promote(globals, name); });
  add_named(model, chosen, "pin", "refuse deployments of a model", "NAME",
            [&globals](const std::string& name) { return pin(globals, name, true); });
  add_named(model, chosen, "unpin", "allow them again", "NAME",
            [&globals](const std::string& name) { return pin(globals, name, false); });
  add_named(model, chosen, "rm", "remove a version from the daemon's disk", "NAME:VERSION",
            [&globals](const std::string& name) { return remove(globals, name); });

  const auto reason = std::make_shared<std::string>("taken back by hand");
  add_named(
      model, chosen, "rollback", "let the version before serve again", "NAME",
      [&globals, reason](const std::string& name) { return roll_back(globals, name, *reason); })
      ->add_option("--reason", *reason, "why, for the record");

  CLI::App* deploy_command =
      model.add_subcommand("deploy", "let versions that the daemon has serve, all together");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto rollout = std::make_shared<RolloutOptions>();
  deploy_command->add_option("NAME:VERSION", *names)->required();
  add_rollout_options(*deploy_command, *rollout);
  deploy_command->callback([&, names, rollout] {
    chosen = [&globals, names, rollout] { return deploy(globals, *names, *rollout); };
  });
  CLI::App* list_command =
      model.add_subcommand("deployments", "what is being deployed, and what was lately");
  list_command->callback([&] { chosen = [&globals] { return list(globals); }; });
}

}  // namespace inferd::ctl
