// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/queue_options.h"

#include "daemon/config/said.h"

namespace inferd::models {
namespace {

using config::set;

void set(schedule::QueuePolicy& policy, const config::QueuePolicyConfig& config) {
  set(policy.timeout_us, config.timeout_us);
  set(policy.delay_on_timeout, config.delay_on_timeout);
  set(policy.allow_timeout_override, config.allow_timeout_override);
  set(policy.max_queue, config.max_queue);
}

}  // namespace

schedule::QueueOptions queue_options(const config::ModelConfig& config) {
  schedule::QueueOptions options;
  set(options.max_queue, config.max_queue);
  options.default_policy.max_queue = options.max_queue;
  set(options.max_queue_per_client, config.max_queue_per_client);
  set(options.max_batch, config.max_batch);
  set(options.max_delay_us, config.max_delay_us);
  set(options.preferred_batches, config.preferred_batches);
  set(options.adaptive, config.adaptive);
  set(options.preserve_ordering, config.preserve_ordering);
  set(options.priority_levels, config.priority_levels);
  set(options.default_priority, config.default_priority);
  set(options.default_policy, config.default_policy);
  if (!config.max_queue && config.default_policy.max_queue) {
    options.max_queue = *config.default_policy.max_queue * options.priority_levels;
  }
  for (const auto& [level, policy] : config.policies) {
    options.policies[level] = options.default_policy;
    set(options.policies[level], policy);
  }
  set(options.max_sequence_idle_us, config.max_sequence_idle_us);
  set(options.max_sequences, config.max_sequences);
  set(options.instances, config.instances);
  set(options.threads, config.threads);
  set(options.weight, config.weight);
  set(options.real_time, config.real_time);
  set(options.response_cache, config.response_cache);
  return options;
}

}  // namespace inferd::models
