// SPDX-License-Identifier: Apache-2.0
//
// What `inferctl doctor` looks at. One check is one function and one row in checks.cc.
#pragma once

#include <string>
#include <vector>

#include "clients/inferctl/command.h"

namespace inferd::ctl {

enum class Level { kOk, kWarning, kError };

struct Finding {
  Level level = Level::kOk;
  std::string what;  // one sentence without a full stop
  std::string fix;   // what to do, usually a command; empty where nothing is to be done
};

// What is examined: this machine, or in tests a folder that looks like one.
struct Patient {
  const Globals* globals = nullptr;
  std::string root;  // before all paths
  std::string config = "/etc/inferd/inferd.yaml";
  std::string user = "inferd";  // whom the daemon runs as
};

using Findings = std::vector<Finding>;

struct Check {
  const char* name;
  void (*examine)(const Patient& patient, Findings& findings);
};

extern const std::vector<Check> kChecks;

// Whether the daemon answers, and what it says of its models and pipelines.
void examine_daemon(const Patient& patient, Findings& findings);
// Whether who asks may connect to it.
void examine_socket(const Patient& patient, Findings& findings);
// What `inferd --check` says.
void examine_configuration(const Patient& patient, Findings& findings);
// Where the daemon can be reached from, and what keeps it from listening where the configuration
// says, or lets in more than was meant.
void examine_ports(const Patient& patient, Findings& findings);
void examine_models(const Patient& patient, Findings& findings);
void examine_processor(const Patient& patient, Findings& findings);
void examine_memory(const Patient& patient, Findings& findings);
void examine_heat(const Patient& patient, Findings& findings);
void examine_clock(const Patient& patient, Findings& findings);
// Cameras, microphones, pins and sensors, and whether the daemon may use them.
void examine_devices(const Patient& patient, Findings& findings);

}  // namespace inferd::ctl
