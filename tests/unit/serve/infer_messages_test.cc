// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/infer_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/fakes.h"

namespace inferd::serve {
namespace {

using inference::ModelInferRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Contents = inference::InferTensorContents;

// Never runs: conversions only look at what it takes.
FakeModel model_of(std::vector<TensorInfo> inputs, std::vector<TensorInfo> outputs = {}) {
  return {std::move(inputs), std::move(outputs), [](std::span<const TensorView>) {
            return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>());
          }};
}

ModelInferRequest::InferInputTensor& add_input(ModelInferRequest& request, const std::string& name,
                                               DType dtype, const std::vector<int64_t>& shape) {
  auto* input = request.add_inputs();
  input->set_name(name);
  input->set_datatype(std::string(dtype_name(dtype)));
  for (int64_t dim : shape) input->add_shape(dim);
  return *input;
}

// Turned off: no region can be registered.
const SharedMemory& no_memory() {
  static const SharedMemory memory({});
  return memory;
}

// What a request goes through before it is queued.
Status check(const ModelInferRequest& request, const Model& model) {
  InferCall call;
  INFERD_RETURN_IF_ERROR(decode_inputs(request, model, no_memory(), call));
  return check_inputs(model.inputs(), call.inputs);
}

TEST(DecodeInputs, EveryTypeComesThroughRawWithoutACopy) {
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    const auto dtype = static_cast<DType>(i);
    const FakeModel model = model_of({{"x", dtype, {kDynamicDim, 3}, {}}});
    ModelInferRequest request;
    add_input(request, "x", dtype, {2, 3});
    request.add_raw_input_contents(std::string(6 * dtype_size(dtype), '\1'));
    InferCall call;
    const Status status = decode_inputs(request, model, no_memory(), call);
    ASSERT_TRUE(status.ok()) << dtype_name(dtype) << ": " << status.to_string();
    EXPECT_EQ(call.inputs[0].dtype, dtype);
    EXPECT_EQ(call.inputs[0].shape, (Shape{2, 3}));
    EXPECT_EQ(static_cast<const void*>(call.inputs[0].data.data()),
              request.raw_input_contents(0).data())
        << "borrowed";
    EXPECT_TRUE(check(request, model).ok()) << dtype_name(dtype);
  }
}

// Adds elements to a field of Contents and expects them as T.
template <typename T>
void expect_typed(DType dtype, const std::vector<T>& values,
                  const std::function<void(Contents&, T)>& add) {
  const FakeModel model = model_of({{"x", dtype, {kDynamicDim}, {}}});
  ModelInferRequest request;
  auto& input = add_input(request, "x", dtype, {static_cast<int64_t>(values.size())});
  for (const T value : values) add(*input.mutable_contents(), value);
  InferCall call;
  const Status status = decode_inputs(request, model, no_memory(), call);
  ASSERT_TRUE(status.ok()) << dtype_name(dtype) << ": " << status.to_string();
  const auto got = call.inputs[0].as<T>();
  EXPECT_EQ(std::vector<T>(got.begin(), got.end()), values) << dtype_name(dtype);
}

template <typename T>
std::vector<T> limits() {
  return {std::numeric_limits<T>::lowest(), T{0}, T{1}, std::numeric_limits<T>::max()};
}

TEST(DecodeInputs, EveryTypeWithTypedContentsComesThrough) {
  expect_typed<int8_t>(DType::kInt8, limits<int8_t>(),
                       [](Contents& c, auto v) { c.add_int_contents(v); });
  expect_typed<int16_t>(DType::kInt16, limits<int16_t>(),
                        [](Contents& c, auto v) { c.add_int_contents(v); });
  expect_typed<int32_t>(DType::kInt32, limits<int32_t>(),
                        [](Contents& c, auto v) { c.add_int_contents(v); });
  expect_typed<int64_t>(DType::kInt64, limits<int64_t>(),
                        [](Contents& c, auto v) { c.add_int64_contents(v); });
  expect_typed<uint8_t>(DType::kUInt8, limits<uint8_t>(),
                        [](Contents& c, auto v) { c.add_uint_contents(v); });
  expect_typed<uint16_t>(DType::kUInt16, limits<uint16_t>(),
                         [](Contents& c, auto v) { c.add_uint_contents(v); });
  expect_typed<uint32_t>(DType::kUInt32, limits<uint32_t>(),
                         [](Contents& c, auto v) { c.add_uint_contents(v); });
  expect_typed<uint64_t>(DType::kUInt64, limits<uint64_t>(),
                         [](Contents& c, auto v) { c.add_uint64_contents(v); });
  expect_typed<float>(DType::kFloat32, limits<float>(),
                      [](Contents& c, auto v) { c.add_fp32_contents(v); });
  expect_typed<double>(DType::kFloat64, limits<double>(),
                       [](Contents& c, auto v) { c.add_fp64_contents(v); });
  // vector<bool> has no elements to point at.
  expect_typed<uint8_t>(DType::kBool, {0, 1, 1},
                        [](Contents& c, auto v) { c.add_bool_contents(v != 0); });
}

TEST(DecodeInputs, InputsMayStandInAnyOrder) {
  const FakeModel model = model_of({{"a", DType::kUInt8, {1}, {}}, {"b", DType::kInt16, {2}, {}}});
  ModelInferRequest request;
  add_input(request, "b", DType::kInt16, {2});
  add_input(request, "a", DType::kUInt8, {1});
  request.add_raw_input_contents("1234");
  request.add_raw_input_contents("5");
  InferCall call;
  const Status status = decode_inputs(request, model, no_memory(), call);
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(call.inputs[0].dtype, DType::kUInt8);
  EXPECT_EQ(call.inputs[1].data.size(), 4U);
}

TEST(DecodeInputs, AnEmptyTensorNeedsNoContents) {
  const FakeModel model = model_of({{"x", DType::kFloat32, {0, 4}, {}}});
  ModelInferRequest request;
  add_input(request, "x", DType::kFloat32, {0, 4});
  EXPECT_TRUE(check(request, model).ok());
}

// A good request for x: INT8 [?,2] and y: FP32 [1], spoiled by `change`.
struct Mistake {
  std::function<void(ModelInferRequest&)> change;
  std::string message;
};

void expect_refused(const std::vector<Mistake>& mistakes, bool raw) {
  const FakeModel model =
      model_of({{"x", DType::kInt8, {kDynamicDim, 2}, {}}, {"y", DType::kFloat32, {1}, {}}});
  ModelInferRequest good;
  auto& x = add_input(good, "x", DType::kInt8, {1, 2});
  auto& y = add_input(good, "y", DType::kFloat32, {1});
  if (raw) {
    good.add_raw_input_contents("ab");
    good.add_raw_input_contents("abcd");
  } else {
    x.mutable_contents()->add_int_contents(1);
    x.mutable_contents()->add_int_contents(2);
    y.mutable_contents()->add_fp32_contents(0.5F);
  }
  ASSERT_TRUE(check(good, model).ok()) << check(good, model).to_string();
  for (const Mistake& mistake : mistakes) {
    ModelInferRequest request = good;
    mistake.change(request);
    const Status status = check(request, model);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << mistake.message;
    EXPECT_THAT(status.message(), HasSubstr(mistake.message));
  }
}

TEST(DecodeInputs, MistakesNameTheTensorWhatWasExpectedAndWhatCame) {
  using R = ModelInferRequest;
  expect_refused(
      {
          {[](R& r) { r.mutable_inputs(0)->set_name("z"); },
           "the model has no input 'z'; it takes 'x', 'y'"},
          {[](R& r) { r.mutable_inputs(0)->set_name(""); },
           "the model has no input ''; it takes 'x', 'y'"},
          {[](R& r) { r.mutable_inputs(0)->set_name("y"); }, "input 'y' has datatype 'INT8'"},
          {[](R& r) { *r.mutable_inputs(0) = r.inputs(1); }, "input 'y' stands twice"},
          {[](R& r) {
             r.mutable_inputs()->RemoveLast();
             r.mutable_raw_input_contents()->RemoveLast();
           },
           "input 'y' is missing"},
          {[](R& r) {
             r.clear_inputs();
             r.clear_raw_input_contents();
           },
           "input 'x' is missing"},
          {[](R& r) { r.mutable_inputs(0)->set_datatype("UINT8"); },
           "input 'x' has datatype 'UINT8', the model takes INT8"},
          {[](R& r) { r.mutable_inputs(0)->set_datatype("BYTES"); },
           "input 'x' has datatype 'BYTES', the model takes INT8"},
          {[](R& r) { r.mutable_inputs(0)->set_datatype(""); },
           "input 'x' has datatype '', the model takes INT8"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(1, 3); },
           "input 'x' has shape [1,3], the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(0, 0); },
           "input 'x' has shape [0,2], the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->add_shape(1); },
           "input 'x' has shape [1,2,1], the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->clear_shape(); },
           "input 'x' has shape [], the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(0, -1); },
           "input 'x' has a negative dimension, -1, the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(0, INT64_MIN); },
           "input 'x' has a negative dimension, -9223372036854775808"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(0, INT64_MAX); },
           "input 'x': shape [9223372036854775807,2] has more elements than an int64 can count"},
          {[](R& r) {
             for (int i = 0; i < 7; ++i) r.mutable_inputs(0)->add_shape(1);
           },
           "input 'x' has 9 dimensions, the model takes [?,2]"},
          {[](R& r) { r.mutable_inputs(0)->set_shape(0, 3); },
           "input 'x' has 2 bytes, shape [3,2] needs 6"},
          {[](R& r) { r.set_raw_input_contents(1, "abc"); },
           "input 'y' has 3 bytes, shape [1] needs 4"},
          {[](R& r) { r.set_raw_input_contents(0, ""); },
           "input 'x' has 0 bytes, shape [1,2] needs 2"},
          {[](R& r) { r.add_raw_input_contents(""); }, "got 3 raw_input_contents for 2 inputs"},
          {[](R& r) { r.mutable_raw_input_contents()->RemoveLast(); },
           "got 1 raw_input_contents for 2 inputs"},
          {[](R& r) { r.mutable_inputs(0)->mutable_contents()->add_int_contents(1); },
           "input 'x' has contents although raw_input_contents is used"},
          {[](R& r) { r.mutable_inputs(1)->mutable_contents()->add_bytes_contents("a"); },
           "input 'y' has contents although raw_input_contents is used"},
      },
      true);
}

TEST(DecodeInputs, MistakesInTypedContentsAreNamed) {
  using R = ModelInferRequest;
  const auto x = [](R& r) { return r.mutable_inputs(0)->mutable_contents(); };
  expect_refused(
      {
          {[&](R& r) { x(r)->set_int_contents(1, 128); },
           "input 'x' element 1 is 128, out of range for INT8"},
          {[&](R& r) { x(r)->set_int_contents(0, -129); },
           "input 'x' element 0 is -129, out of range for INT8"},
          {[&](R& r) { x(r)->add_int_contents(0); },
           "input 'x' has 3 elements in int_contents, shape [1,2] needs 2"},
          {[&](R& r) { x(r)->clear_int_contents(); },
           "input 'x' has 0 elements in int_contents, shape [1,2] needs 2"},
          {[&](R& r) { x(r)->add_uint_contents(1); },
           "input 'x' has typed contents outside int_contents, where INT8 elements belong"},
          {[&](R& r) {
             x(r)->clear_int_contents();
             x(r)->add_bytes_contents("ab");
           },
           "input 'x' has typed contents outside int_contents, where INT8 elements belong"},
          {[&](R& r) { r.mutable_inputs(0)->set_shape(0, INT64_MAX); },
           "shape [9223372036854775807,2] has more elements than an int64 can count"},
          // One raw tensor makes the request raw.
          {[&](R& r) { r.add_raw_input_contents("ab"); }, "got 1 raw_input_contents for 2 inputs"},
      },
      false);
}

TEST(DecodeInputs, HalfFloatsMustBeRaw) {
  const FakeModel model = model_of({{"x", DType::kFloat16, {1}, {}}});
  ModelInferRequest request;
  add_input(request, "x", DType::kFloat16, {1}).mutable_contents()->add_fp32_contents(1);
  const Status status = check(request, model);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("input 'x' has datatype FP16, which has no typed"));
}

TEST(DecodeInputs, RawBoolsAreZeroOrOne) {
  const FakeModel model = model_of({{"x", DType::kBool, {3}, {}}});
  ModelInferRequest request;
  add_input(request, "x", DType::kBool, {3});
  request.add_raw_input_contents(std::string("\0\1\2", 3));
  const Status status = check(request, model);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "input 'x' element 2 is 2, a BOOL is 0 or 1");
}

TEST(WantedOutputs, AllInOrderUnlessNamed) {
  const FakeModel model = model_of({}, {{"p", DType::kInt8, {1}, {}},
                                        {"q", DType::kFloat32, {2}, {}},
                                        {"r", DType::kBool, {1}, {}}});
  ModelInferRequest request;
  const auto indices = [&] {
    const auto wanted = wanted_outputs(request, model, no_memory());
    EXPECT_TRUE(wanted.ok()) << wanted.status().to_string();
    std::vector<size_t> found;
    for (size_t i = 0; wanted.ok() && i < wanted->size(); ++i) found.push_back((*wanted)[i].index);
    return found;
  };
  const auto refusal = [&] {
    const Status status = wanted_outputs(request, model, no_memory()).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(indices(), ElementsAre(0, 1, 2));
  request.add_outputs()->set_name("r");
  request.add_outputs()->set_name("p");
  EXPECT_THAT(indices(), ElementsAre(2, 0));
  request.add_outputs()->set_name("r");
  EXPECT_EQ(refusal(), "output 'r' is requested twice");
  request.mutable_outputs(2)->set_name("s");
  EXPECT_EQ(refusal(), "the model has no output 's'; it gives 'p', 'q', 'r'");
  request.mutable_outputs()->RemoveLast();
  (*request.mutable_outputs(1)->mutable_parameters())["classification"].set_string_param("1");
  EXPECT_THAT(refusal(), HasSubstr("output 'p': parameter 'classification' must be a whole"));
}

TEST(ToParameter, KeepsTheKindOfTheValue) {
  inference::InferParameter parameter;
  EXPECT_EQ(to_parameter(parameter), Parameter());
  parameter.set_bool_param(true);
  EXPECT_EQ(to_parameter(parameter), Parameter(true));
  parameter.set_int64_param(-1);
  EXPECT_EQ(to_parameter(parameter), Parameter(int64_t{-1}));
  parameter.set_uint64_param(UINT64_MAX);
  EXPECT_EQ(to_parameter(parameter), Parameter(UINT64_MAX));
  parameter.set_double_param(0.5);
  EXPECT_EQ(to_parameter(parameter), Parameter(0.5));
  parameter.set_string_param("text");
  EXPECT_EQ(to_parameter(parameter), Parameter(std::string("text")));
}

TEST(EncodeOutputs, TheWantedOnesAsRawBytesOrAsClasses) {
  models::ModelVersion version;
  version.name = "m";
  version.version = 3;
  version.labels = {"cat", "dog"};
  version.model = std::make_shared<FakeModel>(
      model_of({}, {{"p", DType::kInt8, {kDynamicDim}, {}}, {"q", DType::kFloat32, {1}, {}}}));
  const std::vector<std::byte> bytes = {std::byte{7}, std::byte{9}, std::byte{8}};
  const float value = 1.5F;
  const std::vector<TensorView> outputs = {
      {DType::kInt8, {3}, bytes}, {DType::kFloat32, {1}, std::as_bytes(std::span(&value, 1))}};
  inference::ModelInferResponse response;
  ASSERT_TRUE(
      encode_outputs(outputs, std::vector<WantedOutput>{{1, {}}, {0, {}}}, version, response).ok());
  EXPECT_EQ(response.model_name(), "m");
  EXPECT_EQ(response.model_version(), "3");
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).name(), "q");
  EXPECT_EQ(response.outputs(0).datatype(), "FP32");
  EXPECT_EQ(response.raw_output_contents(0), std::string("\0\0\xC0\x3F", 4));
  EXPECT_EQ(response.outputs(1).shape(0), 3) << "the size that came, not the model's";
  EXPECT_EQ(response.raw_output_contents(1), "\7\11\10");

  response.Clear();
  ASSERT_TRUE(
      encode_outputs(outputs, std::vector<WantedOutput>{{0, {.classes = 2}}}, version, response)
          .ok());
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(response.outputs(0).shape(0), 2);
  EXPECT_EQ(response.raw_output_contents(0), std::string("\7\0\0\0"
                                                         "9:1:dog\3\0\0\0"
                                                         "8:2",
                                                         18));
}

}  // namespace
}  // namespace inferd::serve
