// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>

#include "daemon/config/config.h"

namespace inferd::host {

// All that is done less at one moment. Nothing, as it is made.
struct Settings {
  std::map<std::string, double> max_fps;        // by pipeline
  std::map<std::string, std::string> variants;  // by model
  int threads = 0;                              // 0: all
  int shed = 0;                                 // from this priority on; 0: none
};

// What the steps taken so far amount to: of several about one thing, the last one counts.
Settings settings_of(std::span<const config::GovernorStep> taken);

// For people: "pipeline street at 5 frames a second".
std::string text_of(const config::GovernorStep& step);

}  // namespace inferd::host
