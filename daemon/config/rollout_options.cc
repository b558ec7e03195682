// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/rollout_options.h"

#include <functional>
#include <string>
#include <vector>

#include "daemon/config/client_name.h"
#include "daemon/config/said.h"

namespace inferd::config {
namespace {

constexpr double kMaxSeconds = 7 * 24 * 3600;

void read_part(MapReader& parent, const std::string& key,
               const std::function<void(MapReader&)>& read) {
  const YAML::Node node = parent.child(key);
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  read(r);
  r.finish();
}

}  // namespace

void read_rollout(MapReader& r, RolloutConfig& rollout) {
  read_part(r, "self_test", [&](MapReader& part) {
    part.read("abs", rollout.abs_tolerance, 0, 1e30);
    part.read("rel", rollout.rel_tolerance, 0, 1);
  });
  read_part(r, "shadow", [&](MapReader& part) {
    part.read("fraction", rollout.shadow_fraction, 0, 1);
    part.read("requests", rollout.shadow_requests, 1, 1'000'000);
    part.read("seconds", rollout.shadow_s, 0, kMaxSeconds);
    part.read("min_agreement", rollout.min_agreement, 0, 1);
  });
  read_part(r, "canary", [&](MapReader& part) {
    part.read("fraction", rollout.canary_fraction, 0, 1);
    part.read("seconds", rollout.canary_s, 0, kMaxSeconds);
    part.read("clients", rollout.canary_clients);
    for (const std::string& name : rollout.canary_clients.value_or(std::vector<std::string>())) {
      if (const Status status = check_client_name(name); !status.ok())
        part.error(part.child("clients"), status.message());
    }
  });
  read_part(r, "probation", [&](MapReader& part) {
    part.read("seconds", rollout.probation_s, 0, kMaxSeconds);
    part.read("max_error_rate", rollout.max_error_rate, 0, 1);
    part.read("max_slowdown", rollout.max_slowdown, 1, 1e6);
    part.read("check_outputs", rollout.check_outputs);
  });
}

RolloutConfig merge(const RolloutConfig& base, RolloutConfig own) {
  take(own.abs_tolerance, base.abs_tolerance);
  take(own.rel_tolerance, base.rel_tolerance);
  take(own.shadow_fraction, base.shadow_fraction);
  take(own.shadow_requests, base.shadow_requests);
  take(own.shadow_s, base.shadow_s);
  take(own.min_agreement, base.min_agreement);
  take(own.canary_fraction, base.canary_fraction);
  take(own.canary_s, base.canary_s);
  take(own.canary_clients, base.canary_clients);
  take(own.probation_s, base.probation_s);
  take(own.max_error_rate, base.max_error_rate);
  take(own.max_slowdown, base.max_slowdown);
  take(own.check_outputs, base.check_outputs);
  return own;
}

}  // namespace inferd::config
