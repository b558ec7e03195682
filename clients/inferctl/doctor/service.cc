// SPDX-License-Identifier: Apache-2.0
//
// The daemon: does it run, may one talk to it, is what it was told right.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/files.h"

namespace inferd::ctl {
namespace {

// The daemon that lies beside this program, or else that of the path.
std::string daemon_program() {
  std::array<char, 4096> self;
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  if (size > 0) {
    const std::string here(self.data(), static_cast<size_t>(size));
    const std::string beside = here.substr(0, here.rfind('/')) + "/inferd";
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return "inferd";
}

// In single quotes for a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

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
  const std::string command = quoted(daemon_program()) + " --check " + quoted(path) + " 2>&1";
  FILE* check = ::popen(command.c_str(), "r");
  std::string said;
  std::array<char, 4096> buffer;
  while (check != nullptr) {
    const size_t size = std::fread(buffer.data(), 1, buffer.size(), check);
    if (size == 0) break;
    said.append(buffer.data(), size);
  }
  const int result = check == nullptr ? -1 : ::pclose(check);
  while (said.ends_with('\n')) said.pop_back();
  if (result == 0) {
    findings.push_back({Level::kOk, path + " is in order", ""});
  } else if (result != -1 && WIFEXITED(result) && WEXITSTATUS(result) == 127) {
    findings.push_back({Level::kError, "there is no program inferd", "sudo apt install inferd"});
  } else {
    findings.push_back({Level::kError, said, "correct it, then: inferd --check " + path});
  }
}

void examine_ports(const Patient& patient, Findings& findings) {
  const auto user = find_user(patient.root, patient.user);
  if (!user) return;  // the check of devices says so
  // proc(5): local address, state (0A: listening) and user are fields 2, 4 and 8.
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream stream(patient.root + file);
    std::string line;
    std::getline(stream, line);
    while (std::getline(stream, line)) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits;
      uint32_t owner = 0;
      if (!(fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >>
            owner))
        continue;
      const size_t colon = local.find(':');
      if (state != "0A" || owner != user->id || colon == std::string::npos) continue;
      const std::string address = local.substr(0, colon);
      const bool loopback =
          address.ends_with("7F") || address == "00000000000000000000000001000000";
      const auto port = std::to_string(std::stoul(local.substr(colon + 1), nullptr, 16));
      findings.push_back(
          {Level::kOk,
           "port " + port +
               (loopback ? " is open to this machine only" : " is open to other machines"),
           ""});
    }
  }
  if (findings.empty())
    findings.push_back(
        {Level::kOk, "no port is open: only programs on this machine can connect", ""});
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
