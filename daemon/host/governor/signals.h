// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/host/machine/machine.h"

namespace inferd::host {

// What one reading means to the governor.
struct Signal {
  enum class Level {
    kLow,      // all is well again
    kBetween,  // nothing is to change
    kHigh,     // calls for doing less
  };
  Level level = Level::kLow;
  std::string says;  // "zone cpu-thermal is at 82.0 C (80.0 C or more calls for less)"
};

// Of all that is configured and that the machine says something about; what it does not say is no
// signal.
std::vector<Signal> judge(const Machine& machine, const config::GovernorConfig& config);

}  // namespace inferd::host
