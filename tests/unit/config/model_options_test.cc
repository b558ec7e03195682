// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/config/client_name.h"
#include "daemon/models/queue_options.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelOptions : public ::testing::Test {
 protected:
  Result<ModelConfig> read(const std::string& text) {
    std::ofstream(folder_.file("model.yaml")) << text;
    return load_model(folder_.file("model.yaml"));
  }
  schedule::QueueOptions options(const std::string& text) {
    const auto config = read(text);
    EXPECT_TRUE(config.ok()) << config.status().to_string();
    return models::queue_options(*config);
  }
  std::string errors(const std::string& text) { return read(text).status().message(); }

  TemporaryFolder folder_;
};

// The file claims to hold the defaults.
TEST_F(ModelOptions, TheShippedFileSaysWhatIsSoWithoutIt) {
  const auto config = load_model(INFERD_SOURCE_DIR "/config/models/model.yaml");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  const schedule::QueueOptions file = models::queue_options(*config);
  const schedule::QueueOptions none;
  EXPECT_EQ(file.max_batch, none.max_batch);
  EXPECT_EQ(file.max_delay_us, none.max_delay_us);
  EXPECT_EQ(file.max_queue, none.max_queue);
  EXPECT_EQ(file.max_queue_per_client, none.max_queue_per_client);
  EXPECT_EQ(file.instances, none.instances);
  EXPECT_EQ(file.threads, none.threads);
  EXPECT_EQ(file.weight, none.weight);
  EXPECT_EQ(file.real_time, none.real_time);
  EXPECT_EQ(file.adaptive, none.adaptive);
  EXPECT_EQ(file.preserve_ordering, none.preserve_ordering);
  EXPECT_EQ(file.priority_levels, none.priority_levels);
  EXPECT_EQ(file.default_policy.delay_on_timeout, none.default_policy.delay_on_timeout);
  EXPECT_EQ(file.default_policy.timeout_us, none.default_policy.timeout_us);
  EXPECT_EQ(file.default_policy.allow_timeout_override, none.default_policy.allow_timeout_override);
  EXPECT_EQ(file.default_policy.max_queue, none.default_policy.max_queue);
  EXPECT_EQ(file.max_sequence_idle_us, none.max_sequence_idle_us);
  EXPECT_EQ(file.max_sequences, none.max_sequences);
  EXPECT_EQ(file.response_cache, none.response_cache);
}

TEST_F(ModelOptions, TritonsNamesMeanTheSame) {
  const schedule::QueueOptions o = options(
      "max_batch_size: 8\n"
      "instance_group: [{count: 2}, {count: 1, kind: KIND_CPU}]\n"
      "dynamic_batching:\n"
      "  preferred_batch_size: [8, 4]\n"
      "  max_queue_delay_microseconds: 100\n"
      "  preserve_ordering: true\n"
      "  priority_levels: 3\n"
      "  default_priority_level: 2\n"
      "  default_queue_policy: {timeout_action: DELAY, max_queue_size: 5}\n"
      "  priority_queue_policy: {1: {timeout_action: REJECT, default_timeout_microseconds: 7}}\n"
      "sequence_batching: {max_sequence_idle_microseconds: 9}\n");
  EXPECT_EQ(o.max_batch, 8);
  EXPECT_EQ(o.instances, 3);
  EXPECT_THAT(o.preferred_batches, ElementsAre(4, 8));
  EXPECT_EQ(o.max_delay_us, 100);
  EXPECT_TRUE(o.preserve_ordering);
  EXPECT_EQ(o.priority_levels, 3);
  EXPECT_EQ(o.default_priority, 2);
  EXPECT_TRUE(o.policy(2).delay_on_timeout);
  EXPECT_EQ(o.policy(2).max_queue, 5);
  EXPECT_FALSE(o.policy(1).delay_on_timeout);
  EXPECT_EQ(o.policy(1).timeout_us, 7);
  EXPECT_EQ(o.policy(1).max_queue, 5) << "as the default says";
  EXPECT_EQ(o.max_queue, 15) << "room for every level";
  EXPECT_EQ(o.max_sequence_idle_us, 9);
}

TEST_F(ModelOptions, WhatIsListedWinsOverTheModelsOwn) {
  const auto base = read(
      "max_batch: 4\nweight: 2\nlabels: a.txt\n"
      "dynamic_batching: {default_queue_policy: {max_queue_size: 5, timeout_action: DELAY}}\n");
  const auto own =
      read("max_batch: 2\ndynamic_batching: {default_queue_policy: {max_queue_size: 6}}\n");
  ASSERT_TRUE(base.ok() && own.ok());
  const ModelConfig merged = merge(*base, *own);
  EXPECT_EQ(merged.max_batch, 2);
  EXPECT_EQ(merged.weight, 2.0);
  EXPECT_EQ(merged.labels, "a.txt");
  EXPECT_EQ(merged.default_policy.max_queue, 6);
  EXPECT_EQ(merged.default_policy.delay_on_timeout, true);
}

TEST_F(ModelOptions, ClientsOfACanary) {
  const auto base = read("deployment: {canary: {fraction: 0.5, clients: [door]}}\n");
  const auto own = read("deployment: {canary: {clients: [\"user:0\", \"subject:arm:7\"]}}\n");
  ASSERT_TRUE(base.ok() && own.ok());
  const RolloutConfig merged = merge(base->rollout, own->rollout);
  EXPECT_EQ(merged.canary_fraction, 0.5);
  EXPECT_THAT(*merged.canary_clients, ElementsAre("user:0", "subject:arm:7"));
  EXPECT_EQ(*client_key("user:root"), user_key(0));
  EXPECT_EQ(*client_key("group:root"), group_key(0));
  EXPECT_EQ(*client_key("subject:arm:7"), subject_key("arm:7"));
  EXPECT_EQ(*client_key("door"), own_name_key("door"));
  EXPECT_NE(own_name_key("user:0"), user_key(0));
  EXPECT_EQ(client_key("group:no such group").status().code(), StatusCode::kNotFound);
  for (const char* name : {"", "user:", "door:", "name:door"})
    EXPECT_EQ(client_key(name).status().code(), StatusCode::kInvalidArgument) << name;
}

TEST_F(ModelOptions, MistakesAreReportedWithTheirPlace) {
  EXPECT_THAT(errors("max_batch: 0\n"),
              HasSubstr("model.yaml:1:12: 'max_batch' must be a whole number from 1 to 1024"));
  EXPECT_THAT(errors("weight: heavy\n"), HasSubstr("'weight' must be a number from 0.001 to 1000"));
  EXPECT_THAT(errors("dynamic_batching: {preferred_batch_size: [2, x]}\n"),
              HasSubstr("model.yaml:1:46: 'preferred_batch_size' must be a whole number"));
  EXPECT_THAT(errors("dynamic_batching: {default_queue_policy: {timeout_action: LATER}}\n"),
              HasSubstr("'timeout_action' must be one of REJECT, DELAY"));
  EXPECT_THAT(errors("dynamic_batching: {priority_queue_policy: {0: {}}}\n"),
              HasSubstr("a priority is a number from 1 to 16"));
  EXPECT_THAT(errors("instance_group: [{kind: KIND_GPU}]\n"), HasSubstr("'kind' must be one of"));
  EXPECT_THAT(errors("dynamic_batching: {max_delay: 1}\n"), HasSubstr("unknown key 'max_delay'"));
  EXPECT_THAT(errors("deployment: {canary: {clients: [door, \"usr:me\"]}}\n"),
              HasSubstr("model.yaml:1:32: 'usr:me' is no client: write user:NAME, group:NAME"));
}

}  // namespace
}  // namespace inferd::config
