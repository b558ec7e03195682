// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/rollout.h"

#include "daemon/config/said.h"

namespace inferd::models {

Rollout::Rollout(const config::RolloutConfig& config) {
  using config::set;
  set(tolerance.abs, config.abs_tolerance);
  set(tolerance.rel, config.rel_tolerance);
  set(shadow_fraction, config.shadow_fraction);
  set(shadow_s, config.shadow_s);
  set(shadow_requests, config.shadow_requests);
  set(min_agreement, config.min_agreement);
  set(canary_fraction, config.canary_fraction);
  set(canary_clients, config.canary_clients);
  set(canary_s, config.canary_s);
  set(probation_s, config.probation_s);
  set(max_error_rate, config.max_error_rate);
  set(max_slowdown, config.max_slowdown);
  set(check_outputs, config.check_outputs);
}

}  // namespace inferd::models
