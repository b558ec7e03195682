// SPDX-License-Identifier: Apache-2.0
//
// The daemon's command line, for the program and for its manual page.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace inferd {

struct Options {
  std::string config = "/etc/inferd/inferd.yaml";
  std::string check;      // empty: run
  std::string listeners;  // the same
};

// `options` must live as long as `app` parses.
inline void add_options(CLI::App& app, Options& options, const std::string& version) {
  app.description("inferd, an inference daemon for embedded Linux");
  app.add_option("--config", options.config, "configuration file")->capture_default_str();
  app.add_option("--check", options.check,
                 "validate a configuration file and everything it refers to, start nothing");
  app.add_option("--listeners", options.listeners,
                 "say where a daemon with this configuration file listens, as JSON, start nothing");
  app.set_version_flag("--version", version);
}

}  // namespace inferd
