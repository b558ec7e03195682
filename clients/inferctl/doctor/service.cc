// SPDX-License-Identifier: Apache-2.0
//
// The daemon: does it run, may one talk to it, is what it was told right.
#include <sys/stat.h>
#include <unistd.h>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/daemon_program.h"
#include "clients/inferctl/doctor/files.h"

namespace inferd::ctl {
void examine_daemon(const Patient& patient, Findings& findings) {
  const std::string& endpoint = patient.globals->endpoint;
  const auto client = connect(*patient.globals);
  const auto server = client.ok() ? (*client)->server() : Result<ServerInfo>(client.status());
  if (!server.ok()) {
    findings.push_back(
        {Level::kError, "no daemon answers at " + endpoint + ": " + server.status().message(),
         "sudo systemctl start inferd; why it does not run: journalctl -u inferd -n 30"});
    return;
  }
  findings.push_back({server->ready ? Level::kOk : Level::kWarning,
                      server->name + " " + server->version + " answers at " + endpoint +
                          (server->ready ? "" : ", but is not ready"),
                      server->ready ? "" : "inferctl model list says what is missing"});
  const auto pipelines = (*client)->pipelines();
  if (!pipelines.ok()) return;  // who asks may not see them
  for (const PipelineInfo& pipeline : *pipelines) {
    if (pipeline.state != "failed" && pipeline.reason.empty()) continue;
    findings.push_back(
        {pipeline.state == "failed" ? Level::kError : Level::kWarning,
         "pipeline " + pipeline.name + " is " + pipeline.state + ": " + pipeline.reason,
         "inferctl pipeline show " + pipeline.name});
  }
}

void examine_socket(const Patient& patient, Findings& findings) {
  constexpr std::string_view kScheme = "unix:";
  const std::string& endpoint = patient.globals->endpoint;
  if (!endpoint.starts_with(kScheme)) return;
  const std::string path = patient.root + endpoint.substr(kScheme.size());
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    findings.push_back({Level::kError, "there is no socket " + path,
                        "sudo systemctl start inferd, or name the daemon's with --endpoint"});
  } else if (::access(path.c_str(), R_OK | W_OK) != 0) {
    findings.push_back({Level::kError, "you may not connect to " + path,
                        "sudo usermod -aG " + group_name(patient.root, status.st_gid) +
                            " $USER, then log in again"});
  } else {
    findings.push_back({Level::kOk, "you may connect to " + path, ""});
  }
}

void examine_configuration(const Patient& patient, Findings& findings) {
  const std::string path = patient.root + patient.config;
  if (::access(path.c_str(), R_OK) != 0) {
    findings.push_back(
        {Level::kWarning, "cannot read " + path, "run as root, or name the file with --config"});
    return;
  }
  const Said said = ask_daemon_program("--check", path, true);
  if (said.status == 0) {
    findings.push_back({Level::kOk, path + " is in order", ""});
  } else if (said.status == 127) {
    findings.push_back({Level::kError, "there is no program inferd", "sudo apt install inferd"});
  } else {
    findings.push_back({Level::kError, said.text, "correct it, then: inferd --check " + path});
  }
}

void examine_models(const Patient& patient, Findings& findings) {
  const auto client = connect(*patient.globals);
  const auto models =
      client.ok() ? (*client)->models() : Result<std::vector<ServedModelInfo>>(client.status());
  if (!models.ok()) return;  // the first check has said it
  size_t ready = 0;
  for (const ServedModelInfo& model : *models) {
    if (model.state == "READY") {
      ++ready;
    } else if (!model.reason.empty()) {
      findings.push_back({Level::kWarning,
                          "model " + model.name + " version " + model.version + " is " +
                              model.state + ": " + model.reason,
                          "inferctl model list"});
    }
  }
  findings.push_back(
      {Level::kOk, std::to_string(ready) + (ready == 1 ? " model serves" : " models serve"),
       models->empty() ? "inferctl model push FILE --name NAME brings the first" : ""});
}

}  // namespace inferd::ctl
