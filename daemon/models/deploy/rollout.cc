// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/rollout.h"

namespace inferd::models {
namespace {

template <typename T, typename U>
void take(const std::optional<T>& said, U& value) {
  if (said) value = *said;
}

}  // namespace

Rollout::Rollout(const config::RolloutConfig& config) {
  take(config.abs_tolerance, tolerance.abs);
  take(config.rel_tolerance, tolerance.rel);
  take(config.shadow_fraction, shadow_fraction);
  take(config.shadow_s, shadow_s);
  take(config.shadow_requests, shadow_requests);
  take(config.min_agreement, min_agreement);
  take(config.canary_fraction, canary_fraction);
  take(config.canary_s, canary_s);
  take(config.probation_s, probation_s);
  take(config.max_error_rate, max_error_rate);
  take(config.max_slowdown, max_slowdown);
  take(config.check_outputs, check_outputs);
}

}  // namespace inferd::models
