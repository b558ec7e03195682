// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace inferd::models {

// What the models of a daemon do without for a while (docs/governor.md). Nothing, as it is made.
struct Restraint {
  int threads = 0;    // that compute at one time, and runs; 0: all of the engine's
  int shed_from = 0;  // requests of this priority and of larger numbers are refused; 0: none
  // Models, and those that answer requests in their place: see Variants.
  std::map<std::string, std::string> variants;
  std::string why;  // for messages: "zone cpu-thermal is at 82.0 C"
};

}  // namespace inferd::models
