// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/app.h"
#include "daemon/config/config.h"
#include "daemon/config/listener_list.h"
#include "daemon/options.h"

namespace {

int fail(const inferd::Status& status) {
  std::cerr << "inferd: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app;
  inferd::Options options;
  inferd::add_options(app, options, INFERD_VERSION);
  CLI11_PARSE(app, argc, argv);

  if (!options.listeners.empty()) {
    const auto config = inferd::config::load(options.listeners);
    if (!config.ok()) return fail(config.status());
    std::cout << inferd::config::listener_list(config->server) << "\n";
    return 0;
  }
  const bool only_check = !options.check.empty();
  const auto config = inferd::config::load(only_check ? options.check : options.config);
  if (!config.ok()) return fail(config.status());
  const inferd::Status status =
      only_check ? inferd::check(*config) : inferd::run(*config, options.config, INFERD_VERSION);
  if (!status.ok()) return fail(status);
  if (only_check) std::cout << options.check << ": ok\n";
  return 0;
}
