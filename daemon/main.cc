// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/app.h"
#include "daemon/config/config.h"

namespace {

int fail(const inferd::Status& status) {
  std::cerr << "inferd: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"inferd, an inference daemon for embedded Linux"};
  std::string config_path = "/etc/inferd/inferd.yaml";
  std::string check_path;
  app.add_option("--config", config_path, "configuration file")->capture_default_str();
  app.add_option("--check", check_path, "validate FILE and everything it refers to, start nothing");
  app.set_version_flag("--version", INFERD_VERSION);
  CLI11_PARSE(app, argc, argv);

  const bool only_check = !check_path.empty();
  const auto config = inferd::config::load(only_check ? check_path : config_path);
  if (!config.ok()) return fail(config.status());
  const inferd::Status status =
      only_check ? inferd::check(*config) : inferd::run(*config, config_path, INFERD_VERSION);
  if (!status.ok()) return fail(status);
  if (only_check) std::cout << check_path << ": ok\n";
  return 0;
}
