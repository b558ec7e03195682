// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/model_config.h"

#include <gtest/gtest.h>

#include "tests/unit/fakes.h"

namespace inferd::serve {
namespace {

// [?,3] FP32 and [?] INT8 to [?,2] UINT8.
inference::ModelConfig config_of(bool batchable, const schedule::QueueOptions& options) {
  auto model = std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"a", DType::kFloat32, {kDynamicDim, 3}, {}},
                              {"b", DType::kInt8, {kDynamicDim}, {}}},
      std::vector<TensorInfo>{{"y", DType::kUInt8, {kDynamicDim, 2}, {}}},
      [](std::span<const TensorView>) {
        return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
      });
  model->set_batchable(batchable);
  FakeRepository repository;
  repository.add("m", std::move(model), options);
  return describe_config(**repository.find("m", 0));
}

TEST(ModelConfig, DimensionsAreWithoutTheBatch) {
  const auto config = config_of(true, {.max_batch = 4});
  EXPECT_EQ(config.name(), "m");
  EXPECT_EQ(config.backend(), "inferd");
  EXPECT_EQ(config.max_batch_size(), 4);
  ASSERT_EQ(config.input_size(), 2);
  EXPECT_EQ(config.input(0).name(), "a");
  EXPECT_EQ(config.input(0).data_type(), inference::TYPE_FP32);
  ASSERT_EQ(config.input(0).dims_size(), 1);
  EXPECT_EQ(config.input(0).dims(0), 3);
  EXPECT_EQ(config.input(1).dims_size(), 0);
  EXPECT_EQ(config.output(0).data_type(), inference::TYPE_UINT8);
  EXPECT_EQ(config.output(0).dims(0), 2);
}

TEST(ModelConfig, OutputsOfAModelWithLabelsNameTheirFile) {
  const auto model = std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"x", DType::kFloat32, {1}, {}}},
      std::vector<TensorInfo>{{"y", DType::kFloat32, {2}, {}}}, [](std::span<const TensorView>) {
        return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
      });
  models::ModelVersion version;
  version.model = model;
  version.queue = std::move(schedule::ModelQueue::create(model, "m", {}).value());
  EXPECT_EQ(describe_config(version).output(0).label_filename(), "");
  version.labels = {"cat", "dog"};
  EXPECT_EQ(describe_config(version).output(0).label_filename(), "labels.txt");
  version.config.labels = "names.txt";
  EXPECT_EQ(describe_config(version).output(0).label_filename(), "names.txt");
}

TEST(ModelConfig, WithoutBatchesDimensionsAreAll) {
  const auto config = config_of(false, {});
  EXPECT_EQ(config.max_batch_size(), 0);
  EXPECT_EQ(config.input(0).dims_size(), 2);
  EXPECT_EQ(config.input(0).dims(0), -1);
  EXPECT_FALSE(config.has_dynamic_batching());
}

TEST(ModelConfig, AnswersWhatConfigPbtxtSays) {
  auto model = std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"a", DType::kFloat32, {kDynamicDim, 3}, {}}},
      std::vector<TensorInfo>{}, [](std::span<const TensorView>) {
        return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
      });
  model->set_batchable(true);
  models::ModelVersion version;
  version.model = model;
  version.queue = *schedule::ModelQueue::create(model, "m", {});
  version.config.declared.dims_have_batch = true;
  version.config.declared.parameters = {{"key", "value"}};
  const auto config = describe_config(version);
  EXPECT_EQ(config.max_batch_size(), 0);
  EXPECT_EQ(config.input(0).dims_size(), 2);
  EXPECT_EQ(config.parameters().at("key").string_value(), "value");
}

TEST(ModelConfig, TellsHowRequestsAreBatchedAndWait) {
  schedule::QueueOptions options;
  options.max_batch = 8;
  options.preferred_batches = {4, 8};
  options.max_delay_us = 500;
  options.priority_levels = 3;
  options.instances = 2;
  options.policies[2].timeout_us = 1000;
  options.policies[2].delay_on_timeout = true;
  options.policies[2].max_queue = 5;
  const auto config = config_of(true, options);
  ASSERT_EQ(config.instance_group_size(), 1);
  EXPECT_EQ(config.instance_group(0).count(), 2);
  EXPECT_EQ(config.instance_group(0).kind(), inference::ModelInstanceGroup::KIND_CPU);
  const auto& batching = config.dynamic_batching();
  EXPECT_EQ(batching.preferred_batch_size(1), 8);
  EXPECT_EQ(batching.max_queue_delay_microseconds(), 500U);
  EXPECT_EQ(batching.priority_levels(), 3U);
  EXPECT_EQ(batching.default_priority_level(), 3U) << "the last, when none is configured";
  EXPECT_EQ(batching.default_queue_policy().timeout_action(), inference::ModelQueuePolicy::REJECT);
  const auto& policy = batching.priority_queue_policy().at(2);
  EXPECT_EQ(policy.timeout_action(), inference::ModelQueuePolicy::DELAY);
  EXPECT_EQ(policy.default_timeout_microseconds(), 1000U);
  EXPECT_EQ(policy.max_queue_size(), 5U);
  EXPECT_TRUE(policy.allow_timeout_override());
}

TEST(ModelConfig, EveryTypeHasItsName) {
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    const auto dtype = static_cast<DType>(i);
    FakeRepository repository;
    repository.add("m", std::make_shared<FakeModel>(
                            std::vector<TensorInfo>{{"x", dtype, {1}, {}}},
                            std::vector<TensorInfo>{}, [](std::span<const TensorView>) {
                              return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
                            }));
    const auto config = describe_config(**repository.find("m", 0));
    EXPECT_EQ(inference::DataType_Name(config.input(0).data_type()),
              "TYPE_" + std::string(dtype_name(dtype)));
  }
}

}  // namespace
}  // namespace inferd::serve
