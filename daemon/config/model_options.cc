// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/model_options.h"

#include <algorithm>

#include "daemon/config/ensemble_options.h"
#include "daemon/config/rollout_options.h"
#include "daemon/config/said.h"
#include "package/name.h"

namespace inferd::config {
namespace {

void read_policy(const YAML::Node& node, MapReader& parent, QueuePolicyConfig& policy) {
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  std::string action;
  if (r.child("timeout_action").IsDefined()) {
    r.read("timeout_action", action, {"REJECT", "DELAY"});
    policy.delay_on_timeout = action == "DELAY";
  }
  r.read("default_timeout_microseconds", policy.timeout_us, 0, kMaxMicroseconds);
  r.read("allow_timeout_override", policy.allow_timeout_override);
  r.read("max_queue_size", policy.max_queue, 1, kMaxQueue);
  r.finish();
}

void read_policies(MapReader& parent, std::map<int, QueuePolicyConfig>& policies) {
  const YAML::Node node = parent.child("priority_queue_policy");
  if (!node.IsDefined()) return;
  if (!node.IsMap())
    return parent.error(node, "'priority_queue_policy' must map priorities to policies");
  for (const auto& item : node) {
    int level = 0;
    if (!YAML::convert<int>::decode(item.first, level) || level < 1 || level > kMaxLevels) {
      parent.error(item.first, "a priority is a number from 1 to " + std::to_string(kMaxLevels));
      continue;
    }
    read_policy(item.second, parent, policies[level]);
  }
}

// What batches of requests and of sequences have in common.
void read_waiting(MapReader& r, ModelConfig& model) {
  r.read("max_queue_delay_microseconds", model.max_delay_us, 0, kMaxMicroseconds);
  r.read("preserve_ordering", model.preserve_ordering);
  const YAML::Node sizes = r.child("preferred_batch_size");
  if (!sizes.IsDefined()) return;
  std::vector<int> read;
  r.read("preferred_batch_size", read, 1, kMaxBatch);
  std::sort(read.begin(), read.end());
  model.preferred_batches = std::move(read);
}

void read_dynamic_batching(MapReader& parent, ModelConfig& model) {
  const YAML::Node node = parent.child("dynamic_batching");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  read_waiting(r, model);
  r.read("priority_levels", model.priority_levels, 1, kMaxLevels);
  r.read("default_priority_level", model.default_priority, 1, kMaxLevels);
  r.read("adaptive", model.adaptive);
  read_policy(r.child("default_queue_policy"), r, model.default_policy);
  read_policies(r, model.policies);
  r.finish();
}

void read_sequence_batching(MapReader& parent, ModelConfig& model) {
  const YAML::Node node = parent.child("sequence_batching");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  r.read("max_sequence_idle_microseconds", model.max_sequence_idle_us, 1, kMaxIdleMicroseconds);
  r.read("max_sequences", model.max_sequences, 1, kMaxSequences);
  const YAML::Node strategy = r.child("oldest");
  if (strategy.IsDefined()) {
    MapReader oldest(strategy, parent.file(), parent.errors());
    oldest.read("max_candidate_sequences", model.max_sequences, 1, kMaxSequences);
    read_waiting(oldest, model);
    oldest.finish();
  }
  r.finish();
}

void read_response_cache(MapReader& parent, ModelConfig& model) {
  const YAML::Node node = parent.child("response_cache");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  r.read("enable", model.response_cache);
  r.finish();
}

// Groups of instances on a CPU are as good as one with all of them.
void read_instance_group(MapReader& parent, ModelConfig& model) {
  const YAML::Node node = parent.child("instance_group");
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return parent.error(node, "'instance_group' must be a list");
  int instances = 0;
  for (const auto& item : node) {
    MapReader r(item, parent.file(), parent.errors());
    int count = 1;
    std::string kind = "KIND_CPU";
    r.read("count", count, 1, kMaxInstances);
    r.read("kind", kind, {"KIND_CPU", "KIND_AUTO"});
    r.finish();
    instances += count;
  }
  if (instances > 0) model.instances = instances;
}

// {latest: {num_versions: 2}}, {all: {}} or {specific: {versions: [1, 3]}}.
void read_version_policy(MapReader& parent, ModelConfig& model) {
  const YAML::Node node = parent.child("version_policy");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  VersionPolicy policy;
  if (const YAML::Node latest = r.child("latest"); latest.IsDefined()) {
    MapReader l(latest, r.file(), r.errors());
    l.read("num_versions", policy.latest, 1, INT64_MAX);
    l.finish();
  }
  if (r.child("all").IsDefined()) policy.latest = INT64_MAX;
  if (const YAML::Node specific = r.child("specific"); specific.IsDefined()) {
    MapReader s(specific, r.file(), r.errors());
    std::vector<int> versions;
    s.read("versions", versions, 1, INT32_MAX);
    s.finish();
    if (versions.empty()) r.error(specific, "'specific' needs 'versions'");
    policy.specific.assign(versions.begin(), versions.end());
    policy.latest = 0;
  }
  r.finish();
  if (node.size() != 1) r.error(node, "'version_policy' is one of latest, all and specific");
  model.version_policy = std::move(policy);
}

// {small: {model: detector-small}}
void read_variants(MapReader& parent, std::map<std::string, ModelVariant>& variants) {
  const YAML::Node node = parent.child("variants");
  if (!node.IsDefined()) return;
  if (!node.IsMap()) return parent.error(node, "'variants' must map names to {model: NAME}");
  for (const auto& item : node) {
    const std::string name = item.first.IsScalar() ? item.first.Scalar() : "";
    if (!package::is_model_name(name)) {
      parent.error(item.first, "a variant's name has letters, digits, '.', '_' and '-'");
      continue;
    }
    MapReader r(item.second, parent.file(), parent.errors());
    ModelVariant& variant = variants[name];
    variant.mark = r.mark_of(item.first);
    r.read("model", variant.model);
    r.finish();
    if (!package::is_model_name(variant.model))
      parent.error(item.first, "variant '" + name + "' needs 'model', the name of another model");
  }
}

using config::take;  // which the next one would hide

void take(QueuePolicyConfig& own, const QueuePolicyConfig& base) {
  take(own.timeout_us, base.timeout_us);
  take(own.delay_on_timeout, base.delay_on_timeout);
  take(own.allow_timeout_override, base.allow_timeout_override);
  take(own.max_queue, base.max_queue);
}

}  // namespace

void read_residence(MapReader& r, std::optional<Residence>& residence) {
  if (!r.child("residence").IsDefined()) return;
  std::string text;
  r.read("residence", text, {"pinned", "preload", "on_demand"});
  residence = text == "pinned"    ? Residence::kPinned
              : text == "preload" ? Residence::kPreload
                                  : Residence::kOnDemand;
}

void read_model_options(MapReader& r, ModelConfig& model) {
  r.read("version", model.version, 1, INT64_MAX);
  read_version_policy(r, model);
  r.read("max_batch", model.max_batch, 1, kMaxBatch);
  r.read("max_batch_size", model.max_batch, 1, kMaxBatch);
  r.read("max_queue", model.max_queue, 1, kMaxQueue);
  r.read("max_queue_per_client", model.max_queue_per_client, 0, kMaxQueue);
  r.read("instances", model.instances, 1, kMaxInstances);
  r.read("threads", model.threads, 0, 256);
  r.read("max_delay_us", model.max_delay_us, 0, kMaxMicroseconds);
  r.read("weight", model.weight, 0.001, 1000);
  r.read("real_time", model.real_time);
  read_residence(r, model.residence);
  r.read("keep_alive_s", model.keep_alive_s, 0, kMaxKeepAliveS);
  r.read("labels", model.labels);
  r.read("signature", model.signature);
  read_dynamic_batching(r, model);
  read_sequence_batching(r, model);
  read_instance_group(r, model);
  read_response_cache(r, model);
  read_ensemble(r, model.ensemble);
  read_variants(r, model.variants);
  if (const YAML::Node node = r.child("deployment"); node.IsDefined()) {
    MapReader d(node, r.file(), r.errors());
    read_rollout(d, model.rollout);
    d.finish();
  }
}

ModelConfig merge(const ModelConfig& base, ModelConfig own) {
  take(own.version, base.version);
  take(own.version_policy, base.version_policy);
  take(own.max_batch, base.max_batch);
  take(own.max_queue, base.max_queue);
  take(own.max_queue_per_client, base.max_queue_per_client);
  take(own.instances, base.instances);
  take(own.threads, base.threads);
  take(own.max_delay_us, base.max_delay_us);
  take(own.preferred_batches, base.preferred_batches);
  take(own.adaptive, base.adaptive);
  take(own.preserve_ordering, base.preserve_ordering);
  take(own.real_time, base.real_time);
  take(own.priority_levels, base.priority_levels);
  take(own.default_priority, base.default_priority);
  take(own.default_policy, base.default_policy);
  for (const auto& [level, policy] : base.policies) take(own.policies[level], policy);
  take(own.max_sequence_idle_us, base.max_sequence_idle_us);
  take(own.max_sequences, base.max_sequences);
  take(own.weight, base.weight);
  take(own.response_cache, base.response_cache);
  take(own.residence, base.residence);
  take(own.keep_alive_s, base.keep_alive_s);
  if (own.labels.empty()) own.labels = base.labels;
  if (own.signature.empty()) own.signature = base.signature;
  if (own.ensemble.steps.empty()) own.ensemble = base.ensemble;
  if (own.variants.empty()) own.variants = base.variants;
  own.rollout = merge(base.rollout, own.rollout);
  if (own.file_name.empty()) own.file_name = base.file_name;
  if (own.declared.mark.file.empty()) own.declared = base.declared;
  own.notes.insert(own.notes.end(), base.notes.begin(), base.notes.end());
  return own;
}

Result<ModelConfig> load_model(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const YAML::Node root, parse_file(path));
  Errors errors;
  ModelConfig model;
  MapReader r(root, path, errors);
  model.mark = {path, 1, 1};
  read_model_options(r, model);
  r.finish();
  INFERD_RETURN_IF_ERROR(errors.status());
  return model;
}

}  // namespace inferd::config
