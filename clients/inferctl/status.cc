// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/host_text.h"

namespace inferd::ctl {
namespace {

Status status(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const ServerInfo server, client->server());
  INFERD_ASSIGN_OR_RETURN(const auto statistics, client->statistics());
  INFERD_ASSIGN_OR_RETURN(const auto pipelines, client->pipelines());
  const Result<HostInfo> host = client->host();
  // Daemons from before it could be asked are as good without.
  if (!host.ok() && host.status().code() != StatusCode::kUnimplemented) return host.status();
  if (globals.json) {
    nlohmann::json json = {{"name", server.name},
                           {"version", server.version},
                           {"ready", server.ready},
                           {"models", nlohmann::json::array()},
                           {"pipelines", nlohmann::json::array()},
                           {"host", host.ok() ? to_json(*host) : nlohmann::json()}};
    for (const auto& m : statistics) {
      json["models"].push_back({{"name", m.name},
                                {"version", m.version},
                                {"inferences", m.inferences},
                                {"executions", m.executions},
                                {"succeeded", m.succeeded},
                                {"failed", m.failed},
                                {"mean_queue_ms", m.mean_queue_ms},
                                {"mean_compute_ms", m.mean_compute_ms}});
    }
    for (const auto& p : pipelines)
      json["pipelines"].push_back({{"name", p.name}, {"state", p.state}});
    std::cout << json.dump(2) << "\n";
    return ok_status();
  }
  std::printf("%s %s, %s\n", server.name.c_str(), server.version.c_str(),
              server.ready ? "ready" : "not ready");
  if (host.ok()) print_host(*host);
  for (const auto& m : statistics) {
    std::printf(
        "model    %-24s version %-4s %llu inferences in %llu runs, %llu failed, queue %.2f ms, "
        "compute %.2f ms\n",
        m.name.c_str(), m.version.c_str(), static_cast<unsigned long long>(m.inferences),
        static_cast<unsigned long long>(m.executions), static_cast<unsigned long long>(m.failed),
        m.mean_queue_ms, m.mean_compute_ms);
  }
  for (const auto& p : pipelines) {
    std::printf("pipeline %-24s %s%s\n", p.name.c_str(), p.state.c_str(),
                p.reason.empty() ? "" : (": " + p.reason).c_str());
  }
  return ok_status();
}

Status health(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const bool serving, client->healthy());
  std::cout << (globals.json ? nlohmann::json({{"serving", serving}}).dump()
                : serving    ? "serving"
                             : "not serving")
            << "\n";
  return serving ? ok_status() : failed_precondition("the daemon is not serving");
}

}  // namespace

void add_status(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("status", "the daemon, its machine, models and pipelines");
  command->callback([&] { chosen = [&globals] { return status(globals); }; });
}

void add_health(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("health", "exit 0 when the daemon serves");
  command->callback([&] { chosen = [&globals] { return health(globals); }; });
}

}  // namespace inferd::ctl
