// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/daemon_program.h"
#include "clients/inferctl/doctor/files.h"
#include "clients/inferctl/doctor/listeners.h"
#include "clients/inferctl/doctor/open_ports.h"

namespace inferd::ctl {

void examine_ports(const Patient& patient, Findings& findings) {
  if (const auto user =
          find_user(patient.root, patient.user)) {  // else the check of devices speaks
    for (const OpenPort& open : open_ports(patient.root)) {
      if (open.user != user->id) continue;
      findings.push_back(
          {Level::kOk,
           "port " + std::to_string(open.port) +
               (is_loopback(open) ? " is open to this machine only" : " is open to other machines"),
           ""});
    }
    if (findings.empty())
      findings.push_back(
          {Level::kOk, "no port is open: only programs on this machine can connect", ""});
  }
  const std::string path = patient.root + patient.config;
  if (::access(path.c_str(), R_OK) != 0) return;  // the check of the configuration says so
  const Said said = ask_daemon_program("--listeners", path, false);
  if (said.status != 0) return;  // the same
  const auto listeners = read_listeners(said.text);
  if (listeners.ok()) examine_listeners(patient, *listeners, findings);
}

}  // namespace inferd::ctl
