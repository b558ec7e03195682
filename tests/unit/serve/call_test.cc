// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/fakes.h"

namespace inferd::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Never runs: calls only look at what it takes.
std::shared_ptr<FakeModel> model_of(std::vector<TensorInfo> inputs,
                                    std::vector<TensorInfo> outputs = {}) {
  return std::make_shared<FakeModel>(
      std::move(inputs), std::move(outputs), [](std::span<const TensorView>) {
        return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
      });
}

TEST(FindModel, VersionsAreTextAndPositive) {
  FakeRepository repository;
  repository.add("m", model_of({}));
  EXPECT_TRUE(find_model(repository, "m", "").ok());
  EXPECT_TRUE(find_model(repository, "m", "1").ok());
  EXPECT_EQ(find_model(repository, "n", "1").status().code(), StatusCode::kNotFound);
  for (const std::string version : {"0", "-1", "x", "1x", " 1", "9223372036854775808"}) {
    const Status status = find_model(repository, "m", version).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << version;
    EXPECT_EQ(status.message(), "model version '" + version + "' is not a positive number");
  }
}

TEST(SetParameter, ReservedOnesOfARequest) {
  RequestOptions options;
  const auto set = [&](std::string_view name, const Parameter& value) {
    const Status status = set_parameter(name, value, options);
    EXPECT_TRUE(status.ok()) << name << ": " << status.to_string();
  };
  set("priority", uint64_t{2});
  EXPECT_EQ(options.priority, 2);
  set("priority", uint64_t{1} << 40);
  EXPECT_EQ(options.priority, INT32_MAX) << "the least urgent";
  set("timeout", int64_t{1500});
  EXPECT_EQ(options.timeout_us, 1500);
  set("sequence_id", int64_t{7});
  EXPECT_EQ(options.sequence.id, "7");
  set("sequence_id", UINT64_MAX);
  EXPECT_EQ(options.sequence.id, "18446744073709551615");
  set("sequence_id", std::string("robot"));
  EXPECT_EQ(options.sequence.id, "robot");
  set("sequence_id", uint64_t{0});
  EXPECT_EQ(options.sequence.id, "");
  set("sequence_start", true);
  set("sequence_end", true);
  EXPECT_TRUE(options.sequence.start && options.sequence.end);
}

TEST(SetParameter, UnknownOnesAreIgnored) {
  RequestOptions options;
  TensorOptions tensor;
  for (const Parameter& value : {Parameter(), Parameter(true), Parameter(std::string("x"))}) {
    EXPECT_TRUE(set_parameter("color", value, options).ok());
    EXPECT_TRUE(set_parameter("input 'x'", "color", value, tensor).ok());
  }
}

TEST(SetParameter, MalformedReservedOnesAreRefused) {
  const std::vector<Parameter> no_numbers = {{}, true, int64_t{-1}, UINT64_MAX, 1.0};
  const auto expect_refused = [](std::string_view name, const Parameter& value) {
    RequestOptions options;
    const Status status = set_parameter(name, value, options);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name << " " << value.index();
    EXPECT_THAT(status.message(), HasSubstr("parameter '" + std::string(name) + "' must be "));
  };
  for (const Parameter& value : no_numbers) {
    expect_refused("priority", value);
    expect_refused("timeout", value);
    TensorOptions tensor;
    const Status status = set_parameter("output 'y'", "classification", value, tensor);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("output 'y': parameter 'classification' must be "));
  }
  for (const Parameter& value :
       {Parameter(), Parameter(true), Parameter(int64_t{-1}), Parameter(1.0),
        Parameter(std::string(129, 'x')), Parameter(std::string("pipeline/1"))}) {
    expect_refused("sequence_id", value);
  }
  for (const std::string_view flag : {"sequence_start", "sequence_end"}) {
    for (const Parameter& value :
         {Parameter(), Parameter(int64_t{1}), Parameter(std::string("true"))})
      expect_refused(flag, value);
  }
}

TEST(InputBinder, TakesTensorsInAnyOrder) {
  const auto model = model_of({{"a", DType::kUInt8, {2}, {}}, {"b", DType::kFloat32, {}, {}}});
  const std::vector<std::byte> bytes(4);
  InputBinder binder(*model);
  const auto b = binder.bind("b", "FP32", {});
  ASSERT_TRUE(b.ok()) << b.status().to_string();
  (*b)->data = bytes;
  const auto a = binder.bind("a", "UINT8", std::vector<int64_t>{2});
  ASSERT_TRUE(a.ok()) << a.status().to_string();
  const auto views = binder.finish();
  ASSERT_TRUE(views.ok()) << views.status().to_string();
  EXPECT_EQ((*views)[0].dtype, DType::kUInt8);
  EXPECT_EQ((*views)[0].shape, (Shape{2}));
  EXPECT_EQ((*views)[1].data.data(), bytes.data());
}

TEST(InputBinder, ChecksBoolsHoweverTheyCame) {
  const auto model = model_of({{"x", DType::kBool, {2}, {}}});
  const std::vector<std::byte> bytes = {std::byte{1}, std::byte{255}};
  InputBinder binder(*model);
  (*binder.bind("x", "BOOL", std::vector<int64_t>{2}))->data = bytes;
  const Status status = binder.finish().status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "input 'x' element 1 is 255, a BOOL is 0 or 1");
}

TEST(MakeRequest, CarriesWhatTheClientAskedFor) {
  auto call = std::make_shared<InferCall>();
  call->options = {.priority = 3, .timeout_us = 1500, .sequence = {"s", true, false}};
  const schedule::Request request = make_request(call, 77);
  EXPECT_EQ(request.deadline_ns, 77);
  EXPECT_EQ(request.priority, 3);
  EXPECT_EQ(request.timeout_us, 1500);
  EXPECT_EQ(request.sequence.id, "s");
  EXPECT_TRUE(request.sequence.start);
  EXPECT_EQ(request.keep_alive, call);
  call->options.timeout_us = INT64_MAX;
  EXPECT_LT(make_request(call).timeout_us, INT64_MAX / 1000) << "fits into nanoseconds";
}

// Of one row of float32.
models::ModelVersion labelled(bool batchable) {
  auto model = model_of({}, {{"y", DType::kFloat32, {kDynamicDim, 3}, {}}});
  model->set_batchable(batchable);
  models::ModelVersion version;
  version.model = std::move(model);
  version.labels = {"ant", "bee"};
  return version;
}

TEST(Classify, TheLargestWithTheirLabelsForEachElementOfTheBatch) {
  const std::vector<float> values = {0.25F, -1, 2, 0.1F, 0.1F, NAN};
  const TensorView output{DType::kFloat32, {2, 3}, std::as_bytes(std::span(values))};
  const Classes classes = classify(output, 2, labelled(true));
  EXPECT_EQ(classes.shape, (Shape{2, 2}));
  EXPECT_THAT(classes.elements, ElementsAre("2:2", "0.25:0:ant", "0.1:0:ant", "0.1:1:bee"));
  const Classes all = classify(output, INT64_MAX, labelled(true));
  EXPECT_EQ(all.shape, (Shape{2, 3}));
  EXPECT_EQ(all.elements.back(), "nan:2");
}

TEST(Classify, AModelWithoutBatchesIsOneRow) {
  const std::vector<int8_t> values = {-5, 127, 3, 4};
  const TensorView output{DType::kInt8, {2, 2}, std::as_bytes(std::span(values))};
  const Classes classes = classify(output, 3, labelled(false));
  EXPECT_EQ(classes.shape, (Shape{3}));
  EXPECT_THAT(classes.elements, ElementsAre("127:1:bee", "4:3", "3:2"));
}

TEST(Classify, NothingOfNothing) {
  const Classes classes = classify({DType::kFloat32, {0, 3}, {}}, 2, labelled(true));
  EXPECT_EQ(classes.shape, (Shape{0, 0}));
  EXPECT_TRUE(classes.elements.empty());
}

TEST(BytesTensor, LengthsAreLittleEndian) {
  const std::vector<std::string> elements = {"", std::string(258, 'x')};
  EXPECT_EQ(bytes_tensor(elements), std::string("\0\0\0\0\2\1\0\0", 8) + elements[1]);
}

}  // namespace
}  // namespace inferd::serve
