// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "clients/inferctl/app.h"

namespace inferd::ctl {
namespace {

// Commands that need no daemon.
constexpr std::string_view kLocal[] = {"inspect",    "run",         "bench",    "compile",
                                       "quantize",   "doctor",      "evaluate", "key",
                                       "model sign", "model verify"};

bool talks_to_daemon(const CLI::App& app) {
  const CLI::App* command = app.get_subcommands()[0];
  const auto subcommands = command->get_subcommands();
  const std::string name = command->get_name();
  const std::string full = subcommands.empty() ? name : name + " " + subcommands[0]->get_name();
  return std::none_of(std::begin(kLocal), std::end(kLocal),
                      [&](std::string_view local) { return local == name || local == full; });
}

int exit_code(const Status& status, bool asked_daemon) {
  if (status.ok()) return kExitOk;
  const bool unreachable =
      status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDeadlineExceeded;
  return asked_daemon && unreachable ? kExitUnreachable : kExitFailed;
}

int run(int argc, char** argv) {
  CLI::App app;
  Globals globals;
  Run chosen;
  add_everything(app, globals, chosen, INFERD_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  const Status status = chosen();
  const int code = exit_code(status, talks_to_daemon(app));
  if (code == kExitUnreachable) {
    std::cerr << "inferctl: no daemon answers at " << globals.endpoint << " (" << status.message()
              << ")\n";
  } else if (code != kExitOk) {
    std::cerr << "inferctl: " << status.message() << "\n";
  }
  return code;
}

}  // namespace
}  // namespace inferd::ctl

int main(int argc, char** argv) { return inferd::ctl::run(argc, argv); }
