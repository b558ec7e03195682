// SPDX-License-Identifier: Apache-2.0
//
// inferd-with-test-models --config FILE [--machine FOLDER]
#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/app.h"
#include "tests/backends/scripted_engine.h"

int main(int argc, char** argv) {
  CLI::App app{"inferd, which also takes scripted models"};
  std::string path, machine;
  app.add_option("--config", path, "configuration file")->required();
  app.add_option("--machine", machine, "stands before /sys and /proc, where the host is looked at");
  CLI11_PARSE(app, argc, argv);
  const auto config = inferd::config::load(path);
  const inferd::Status status =
      config.ok() ? inferd::run(*config, path, "test", inferd::make_scripted_engine, machine)
                  : config.status();
  if (status.ok()) return 0;
  std::cerr << "inferd: " << status.message() << "\n";
  return 1;
}
