// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/json_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/grpc_service.pb.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

TEST(JsonValues, MessagesKeepOrderNamesAndNumbers) {
  inference::ModelConfig config;
  config.set_name("m");
  config.set_max_batch_size(4);
  auto* input = config.add_input();
  input->set_name("x");
  input->set_data_type(inference::TYPE_FP32);
  input->add_dims(int64_t{1} << 40);
  auto* batching = config.mutable_dynamic_batching();
  batching->set_max_queue_delay_microseconds(UINT64_MAX);
  for (const uint64_t level : {3, 1}) {
    (*batching->mutable_priority_queue_policy())[level].set_max_queue_size(7);
  }
  const auto json = to_json(config);
  EXPECT_EQ(json.begin().key(), "name");
  EXPECT_EQ(json["max_batch_size"], 4);
  EXPECT_EQ(json["input"][0]["data_type"], "TYPE_FP32");
  EXPECT_EQ(json["input"][0]["dims"][0], int64_t{1} << 40);
  EXPECT_EQ(json["dynamic_batching"]["max_queue_delay_microseconds"], UINT64_MAX);
  EXPECT_EQ(json["dynamic_batching"]["preserve_ordering"], false) << "zero, and there";
  EXPECT_EQ(json["dynamic_batching"]["priority_queue_policy"].begin().key(), "1");
  EXPECT_EQ(json["dynamic_batching"]["priority_queue_policy"]["3"]["max_queue_size"], 7);
  EXPECT_EQ(json["output"], nlohmann::ordered_json::array());
  EXPECT_FALSE(json.contains("sequence_batching")) << "another choice of the same field";
}

TEST(JsonValues, ABodyIsAnObject) {
  EXPECT_TRUE(object_in("")->empty());
  EXPECT_EQ((*object_in(R"({"a": 1})"))["a"], 1);
  EXPECT_THAT(object_in("[]").status().message(), HasSubstr("must be a JSON object"));
  EXPECT_THAT(object_in(R"({"a": [1, 2, 3]})", 100).status().message(), HasSubstr("too many"));
}

}  // namespace
}  // namespace inferd::serve
