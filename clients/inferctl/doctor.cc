// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "clients/inferctl/doctor/check.h"

namespace inferd::ctl {
namespace {

const char* word(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "";
}

void print(const char* check, const Finding& finding) {
  std::printf("%-8s %-14s %s\n", word(finding.level), check, finding.what.c_str());
  if (!finding.fix.empty()) std::printf("%-23s -> %s\n", "", finding.fix.c_str());
}

Status doctor(const Patient& patient) {
  nlohmann::json json = nlohmann::json::array();
  size_t errors = 0;
  for (const Check& check : kChecks) {
    Findings findings;
    check.examine(patient, findings);
    for (const Finding& finding : findings) {
      errors += finding.level == Level::kError ? 1 : 0;
      json.push_back({{"check", check.name},
                      {"level", word(finding.level)},
                      {"what", finding.what},
                      {"fix", finding.fix}});
      if (!patient.globals->json) print(check.name, finding);
    }
  }
  if (patient.globals->json) std::cout << json.dump(2) << "\n";
  if (errors == 0) return ok_status();
  return failed_precondition(std::to_string(errors) + (errors == 1 ? " error" : " errors"));
}

}  // namespace

void add_doctor(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand(
      "doctor", "what is wrong with the daemon and this machine, and what to do about it");
  const auto patient = std::make_shared<Patient>();
  patient->globals = &globals;
  command->add_option("--config", patient->config, "the daemon's configuration")
      ->capture_default_str();
  command->add_option("--user", patient->user, "whom the daemon runs as")->capture_default_str();
  command->callback([patient, &chosen] { chosen = [patient] { return doctor(*patient); }; });
}

}  // namespace inferd::ctl
