// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/running.h"

namespace inferd::telemetry {

Running::Slots& Running::slots() {
  static constinit Slots all{};
  return all;
}

}  // namespace inferd::telemetry
