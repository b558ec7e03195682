// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/deploy/agreement.h"

namespace inferd::models {

// The steps of a deployment, each with what it takes to pass it.
struct Rollout {
  Tolerance tolerance;  // of self-tests and of a shadow's answers

  double shadow_fraction = 0;  // of requests; 0: no shadow
  double shadow_s = 60;        // at most
  int64_t shadow_requests = 100;
  double min_agreement = 0.99;  // of the answers compared

  double canary_fraction = 0;  // of requests, besides those of:
  std::vector<std::string> canary_clients;
  double canary_s = 60;
  bool has_canary() const { return canary_fraction > 0 || !canary_clients.empty(); }

  double probation_s = 10;  // 0: none
  // Of canary and probation:
  double max_error_rate = 0.05;
  double max_slowdown = 3;  // compute for an element of a batch, compared with the old version's
  bool check_outputs = true;

  // What is said, and defaults for the rest.
  explicit Rollout(const config::RolloutConfig& config);
};

}  // namespace inferd::models
