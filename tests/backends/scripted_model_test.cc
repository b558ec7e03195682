// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/scripted_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ScriptedModelTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const Model>> load(const std::string& json) {
    std::ofstream(folder_.file("model.test")) << json;
    return load_scripted_model(folder_.file("model.test"));
  }
  static TensorView view(const Shape& shape, const std::vector<float>& values) {
    return {DType::kFloat32, shape, std::as_bytes(std::span(values))};
  }
  static std::vector<float> floats(const TensorView& tensor) {
    const auto values = tensor.as<float>();
    return {values.begin(), values.end()};
  }

  TemporaryFolder folder_;
};

TEST_F(ScriptedModelTest, RepeatsEachRow) {
  const auto model =
      load(R"({"backend": "repeat", "times": 2, "inputs": [{"shape": [-1, 2]}], "run_us": 1})");
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_TRUE((*model)->info().batchable);
  EXPECT_EQ((*model)->outputs()[0].shape, Shape({kDynamicDim, 4}));
  const auto context = *(*model)->create_context();
  const std::vector<float> x = {1, 2, 3, 4};
  const auto y = context->run(std::vector{view({2, 2}, x)});
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  EXPECT_THAT(floats((*y)[0]), ElementsAre(1, 2, 1, 2, 3, 4, 3, 4));
}

TEST_F(ScriptedModelTest, AddsAndSubtracts) {
  const auto model = load(R"({"backend": "add_sub", "inputs": [{"shape": [2]}, {"shape": [2]}]})");
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context();
  const std::vector<float> a = {5, 6};
  const std::vector<float> b = {1, 2};
  const auto y = context->run(std::vector{view({2}, a), view({2}, b)});
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  EXPECT_THAT(floats((*y)[0]), ElementsAre(6, 8));
  EXPECT_THAT(floats((*y)[1]), ElementsAre(4, 4));
}

TEST_F(ScriptedModelTest, RemembersASequence) {
  const auto model = load(R"({"backend": "accumulate", "inputs": [{"shape": [1]}]})");
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context();
  const auto state = (*model)->create_state();
  const std::vector<float> x = {2};
  const std::array states = {state.get()};
  EXPECT_THAT(floats((*context->run(std::vector{view({1}, x)}, states))[0]), ElementsAre(2));
  EXPECT_THAT(floats((*context->run(std::vector{view({1}, x)}, states))[0]), ElementsAre(4));
  EXPECT_THAT(floats((*context->run(std::vector{view({1}, x)}))[0]), ElementsAre(2));
}

TEST_F(ScriptedModelTest, RemembersSequencesInBatches) {
  const auto model = load(R"({"backend": "accumulate", "inputs": [{"shape": [-1, 2]}]})");
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context();
  const auto one = (*model)->create_state();
  const auto two = (*model)->create_state();
  const std::vector<float> x = {1, 2, 10, 20};
  const std::vector inputs = {view({2, 2}, x)};
  const auto run = [&](State* first, State* second) {
    return floats((*context->run(inputs, std::array{first, second}))[0]);
  };
  EXPECT_THAT(run(one.get(), two.get()), ElementsAre(1, 2, 10, 20));
  EXPECT_THAT(run(two.get(), nullptr), ElementsAre(11, 22, 10, 20));
  EXPECT_THAT(run(nullptr, one.get()), ElementsAre(1, 2, 11, 22));
}

TEST_F(ScriptedModelTest, SaysWhatIsWrong) {
  const auto error = [&](const std::string& json) { return load(json).status().message(); };
  EXPECT_THAT(error("{"), HasSubstr("model.test: "));
  EXPECT_THAT(error(R"({"backend": "guess", "inputs": [{"shape": [1]}]})"),
              HasSubstr("there is no backend 'guess'"));
  EXPECT_THAT(error(R"({"backend": "add_sub", "inputs": [{"shape": [1]}]})"),
              HasSubstr("add_sub takes two inputs alike"));
  EXPECT_THAT(error(R"({"backend": "identity", "inputs": [{"shape": [1], "datatype": "FP31"}]})"),
              HasSubstr("there is no datatype 'FP31'"));
}

}  // namespace
}  // namespace inferd
