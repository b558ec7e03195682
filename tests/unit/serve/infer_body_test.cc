// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/infer_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/unit/fakes.h"
#include "tests/unit/serve/shared_object.h"

namespace inferd::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::shared_ptr<const models::ModelVersion> version_of(std::vector<TensorInfo> inputs,
                                                       std::vector<TensorInfo> outputs) {
  auto version = std::make_shared<models::ModelVersion>();
  version->name = "m";
  version->version = 3;
  version->labels = {"cat", "dog \"x\""};
  version->model =
      std::make_shared<FakeModel>(std::move(inputs), std::move(outputs), FakeModel::Run());
  return version;
}

// Inputs "x" and outputs "y" of one type and shape.
std::shared_ptr<const models::ModelVersion> model_of(DType dtype, const Shape& shape) {
  return version_of({{"x", dtype, shape, {}}}, {{"y", dtype, shape, {}}});
}

const SharedMemory& no_memory() {
  static const SharedMemory none({});
  return none;
}

template <typename T>
std::vector<T> numbers(const TensorView& view) {
  return {view.as<T>().begin(), view.as<T>().end()};
}

Result<InferBody> decode_with(const std::shared_ptr<const models::ModelVersion>& model,
                              const SharedMemory& memory, std::string_view body,
                              const BodyLayout& layout) {
  const auto find = [&](const schedule::Sequence&) { return Result(model); };
  return decode_infer(find, memory, body, layout);
}

Result<InferBody> decode_json(const std::shared_ptr<const models::ModelVersion>& model,
                              const std::string& text) {
  return decode_with(model, no_memory(), text, {});
}

// {"inputs": [{"name": "x", ...}]} with these members.
std::string one_input(const std::string& members) {
  return R"({"inputs":[{"name":"x",)" + members + "}]}";
}

TEST(InferBody, ReadsNestedAndFlatNumbersOfEveryType) {
  for (const char* data : {"[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", "[[[1],[2],[3]],[[4,5,6]]]"}) {
    const auto check = [&]<typename T>(DType dtype, T) {
      const auto body = decode_json(model_of(dtype, {2, 3}),
                                    one_input(R"("datatype":")" + std::string(dtype_name(dtype)) +
                                              R"(","shape":[2,3],"data":)" + data));
      ASSERT_TRUE(body.ok()) << body.status().to_string();
      EXPECT_THAT(numbers<T>(body->call->inputs[0]), ElementsAre(1, 2, 3, 4, 5, 6));
    };
    check(DType::kInt8, int8_t{});
    check(DType::kUInt8, uint8_t{});
    check(DType::kInt16, int16_t{});
    check(DType::kUInt16, uint16_t{});
    check(DType::kInt32, int32_t{});
    check(DType::kUInt32, uint32_t{});
    check(DType::kInt64, int64_t{});
    check(DType::kUInt64, uint64_t{});
    check(DType::kFloat32, float{});
    check(DType::kFloat64, double{});
  }
  const auto bools = decode_json(model_of(DType::kBool, {2}),
                                 one_input(R"("datatype":"BOOL","shape":[2],"data":[true,false])"));
  ASSERT_TRUE(bools.ok()) << bools.status().to_string();
  EXPECT_THAT(numbers<bool>(bools->call->inputs[0]), ElementsAre(true, false));
}

TEST(InferBody, NumbersAtTheEdgeOfTheirTypeAreTakenAndNoneBeyond) {
  struct Case {
    DType dtype;
    const char* good;
    const char* bad;
  };
  const Case cases[] = {
      {DType::kInt8, "-128", "-129"},
      {DType::kInt8, "127", "128"},
      {DType::kUInt8, "255", "256"},
      {DType::kUInt8, "0", "-1"},
      {DType::kInt16, "-32768", "32768"},
      {DType::kUInt16, "65535", "65536"},
      {DType::kInt32, "2147483647", "2147483648"},
      {DType::kUInt32, "4294967295", "4294967296"},
      {DType::kInt64, "-9223372036854775808", "9223372036854775808"},
      {DType::kUInt64, "18446744073709551615", "-1"},
      {DType::kInt32, "3", "3.0"},
      {DType::kUInt64, "1", "18446744073709551616"},
      {DType::kFloat32, "3.4028234663852886e38", "3.5e38"},
      {DType::kFloat32, "-1e-50", "-1e39"},
      {DType::kFloat64, "1.7e308", "\"1\""},
      {DType::kFloat32, "7", "null"},
      {DType::kFloat32, "7", "true"},
      {DType::kBool, "true", "1"},
      {DType::kInt8, "1", "{}"},
  };
  for (const Case& c : cases) {
    const auto decode = [&](const char* number) {
      return decode_json(model_of(c.dtype, {1}),
                         one_input(R"("datatype":")" + std::string(dtype_name(c.dtype)) +
                                   R"(","shape":[1],"data":[)" + number + "]"));
    };
    EXPECT_TRUE(decode(c.good).ok()) << c.good << ": " << decode(c.good).status().to_string();
    EXPECT_THAT(decode(c.bad).status().message(), HasSubstr("input 'x': element 0 is ")) << c.bad;
  }
}

TEST(InferBody, TakesBytesInTheOrderOfTheInputs) {
  const auto model = version_of({{"a", DType::kUInt8, {3}, {}},
                                 {"b", DType::kFloat32, {2}, {}},
                                 {"c", DType::kBool, {1}, {}}},
                                {{"y", DType::kUInt8, {1}, {}}});
  const std::string json =
      R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}},)"
      R"({"name":"c","datatype":"BOOL","shape":[1],"data":[true]},)"
      R"({"name":"b","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]})";
  const float floats[] = {1.5F, -2.0F};
  // Whatever is before them, floats can be read where the view says that they are.
  for (const std::string spaces : {"", " ", "  ", "   "}) {
    std::string body = json + spaces + "abc";
    body.append(reinterpret_cast<const char*>(floats), sizeof floats);
    const auto decoded =
        decode_with(model, no_memory(), body,
                    {.json_bytes = static_cast<int64_t>(json.size() + spaces.size())});
    ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
    EXPECT_THAT(numbers<uint8_t>(decoded->call->inputs[0]), ElementsAre('a', 'b', 'c'));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(decoded->call->inputs[1].data.data()) % sizeof(float),
              0U);
    EXPECT_THAT(numbers<float>(decoded->call->inputs[1]), ElementsAre(1.5F, -2.0F));
    EXPECT_THAT(numbers<bool>(decoded->call->inputs[2]), ElementsAre(true));
  }
}

TEST(InferBody, ABodyWithoutJsonIsTheOnlyInput) {
  const auto raw = [](const auto& model, const std::string& bytes) {
    return decode_with(model, no_memory(), bytes, {.json_bytes = 0});
  };
  const auto open = model_of(DType::kInt16, {kDynamicDim, 2});
  const std::string bytes("\1\0\2\0\3\0\4\0", 8);
  const auto body = raw(open, bytes);
  ASSERT_TRUE(body.ok()) << body.status().to_string();
  EXPECT_EQ(body->call->inputs[0].shape, (Shape{2, 2}));
  EXPECT_THAT(numbers<int16_t>(body->call->inputs[0]), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(body->binary, ElementsAre(true));
  const auto two_open = model_of(DType::kInt16, {kDynamicDim, kDynamicDim});
  EXPECT_THAT(raw(two_open, bytes).status().message(), HasSubstr("does not follow from its size"));
  const auto two = version_of({{"a", DType::kInt8, {1}, {}}, {"b", DType::kInt8, {1}, {}}}, {});
  EXPECT_THAT(raw(two, bytes).status().message(), HasSubstr("one input, this one has 2"));
}

TEST(InferBody, MistakesAreTold) {
  const auto model = model_of(DType::kInt8, {2});
  const std::string good = R"("datatype":"INT8","shape":[2])";
  const std::pair<std::string, const char*> cases[] = {
      {"[]", "must be a JSON object"},
      {"{}", "'x' is missing"},
      {R"({"id":7})", "the request needs 'id', a text"},
      {R"({"inputs":{}})", "'inputs' must be an array"},
      {R"({"inputs":[3]})", "'inputs' must be an array of objects"},
      {R"({"inputs":[{"shape":[]}]})", "an input needs 'name', a text"},
      {R"({"inputs":[{"name":"z","datatype":"INT8","shape":[2]}]})", "no input 'z'"},
      {one_input(R"("shape":[2])"), "input 'x' needs 'datatype'"},
      {one_input(R"("datatype":"INT8")"), "input 'x' needs 'shape'"},
      {one_input(R"("datatype":"INT8","shape":[1.5])"), "'shape' of input 'x' has 1.5 in it"},
      {one_input(R"("datatype":"INT8","shape":[18446744073709551615])"), "'shape' of input 'x'"},
      {one_input(R"("datatype":"INT8","shape":[-2],"data":[1,2])"), "negative"},
      {one_input(R"("datatype":"INT8","shape":[9223372036854775807,9],"data":[1])"), "elements"},
      {one_input(R"("datatype":"FP32","shape":[2])"), "has datatype 'FP32'"},
      {one_input(good), "has none of 'data', 'binary_data_size'"},
      {one_input(good + R"(,"data":[1,2],"parameters":{"binary_data_size":2})"),
       "has more than one of 'data', 'binary_data_size'"},
      {one_input(good + R"(,"data":3)"), "input 'x': 'data' must be an array"},
      {one_input(good + R"(,"data":[1])"), "input 'x' has 1 elements, shape [2] needs 2"},
      {one_input(good + R"(,"data":[1,2,3])"), "has 3 elements"},
      {one_input(good + R"(,"data":[1,["a"]])"),
       "input 'x': element 1 is string, which is no INT8"},
      {one_input(good + R"(,"parameters":{"binary_data_size":-1})"), "must be a whole number"},
      {one_input(good + R"(,"parameters":{"binary_data_size":18446744073709551615})"),
       "only 0 bytes are left"},
      {one_input(good + R"(,"parameters":[])"), "'parameters' of input 'x' must be an object"},
      {one_input(good + R"(,"parameters":{"shared_memory_region":"r"},"data":[1,2])"), "shared"},
      {R"({"parameters":{"binary_data_output":1}})", "'binary_data_output' must be true or false"},
      {R"({"parameters":{"priority":"high"}})", "priority"},
      {R"({"inputs":[{"name":"x",)" + good + R"(,"data":[1,2]}],"outputs":[{"name":"z"}]})",
       "no output 'z'"},
      {R"({"inputs":[{"name":"x",)" + good + R"(,"data":[1,2]},{"name":"x",)" + good +
           R"(,"data":[1,2]}]})",
       "twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto body = decode_json(model, text);
    ASSERT_FALSE(body.ok()) << text;
    EXPECT_THAT(body.status().message(), HasSubstr(message)) << text;
  }
  const std::string json = one_input(good + R"(,"data":[1,2])");
  const auto size = static_cast<int64_t>(json.size());
  EXPECT_THAT(
      decode_with(model, no_memory(), json + "abc", {.json_bytes = size}).status().message(),
      HasSubstr("3 bytes of binary data belong to no input"));
  EXPECT_THAT(decode_with(model, no_memory(), json, {.json_bytes = size + 1}).status().message(),
              HasSubstr("Inference-Header-Content-Length is"));
}

TEST(InferBody, HalfPrecisionTravelsAsBytesOnly) {
  const auto model = model_of(DType::kFloat16, {1});
  EXPECT_THAT(decode_json(model, one_input(R"("datatype":"FP16","shape":[1],"data":[1])"))
                  .status()
                  .message(),
              HasSubstr("FP16 has no form in JSON"));
  const std::string json =
      one_input(R"("datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2})");
  const BodyLayout layout{.json_bytes = static_cast<int64_t>(json.size())};
  EXPECT_THAT(decode_with(model, no_memory(), json + "ab", layout).status().message(),
              HasSubstr("output 'y' is FP16"));
}

TEST(InferBody, ReservedParametersReachTheCall) {
  const auto body = decode_json(
      model_of(DType::kInt8, {1}),
      R"({"id":"i","parameters":{"priority":2,"timeout":5000,"sequence_id":7,"sequence_start":true,)"
      R"("other":[1]},"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]}],)"
      R"("outputs":[{"name":"y","parameters":{"classification":2}}]})");
  ASSERT_TRUE(body.ok()) << body.status().to_string();
  EXPECT_EQ(body->id, "i");
  EXPECT_EQ(body->call->options.priority, 2);
  EXPECT_EQ(body->call->options.timeout_us, 5000);
  EXPECT_EQ(body->call->options.sequence.id, "7");
  EXPECT_TRUE(body->call->options.sequence.start);
  EXPECT_EQ(body->call->outputs[0].options.classes, 2);
}

template <typename T>
Response encode(const std::shared_ptr<const models::ModelVersion>& model, DType dtype,
                const Shape& shape, const std::vector<T>& values, const std::string& outputs) {
  InferBody body;
  body.call = std::make_shared<InferCall>();
  body.call->model = model;
  body.call->outputs = every_output(*model->model);
  body.binary = {outputs == "binary"};
  if (outputs == "classes") body.call->outputs[0].options.classes = 2;
  const TensorView view{dtype, shape, std::as_bytes(std::span(values))};
  return *encode_infer(body, {&view, 1});
}

TEST(InferBody, WritesNumbersThatReadBackTheSame) {
  const std::vector<float> floats = {0.1F, -0.0F, 1e-45F, 3.4028235e38F, 16777216, 1.0F / 3};
  const auto model = model_of(DType::kFloat32, {6});
  const Json json = Json::parse(encode(model, DType::kFloat32, {6}, floats, "json").body);
  EXPECT_EQ(json["model_name"], "m");
  EXPECT_EQ(json["model_version"], "3");
  EXPECT_FALSE(json.contains("id"));
  EXPECT_EQ(json["outputs"][0]["shape"], Json({6}));
  const auto back = json["outputs"][0]["data"].get<std::vector<float>>();
  EXPECT_EQ(std::memcmp(back.data(), floats.data(), sizeof(float) * floats.size()), 0);
  const std::vector<int64_t> whole = {INT64_MIN, 0, INT64_MAX};
  const auto wide = model_of(DType::kInt64, {3});
  EXPECT_EQ(Json::parse(encode(wide, DType::kInt64, {3}, whole, "").body)["outputs"][0]["data"],
            Json(whole));
  const std::vector<uint8_t> bools = {1, 0};
  const auto truth = model_of(DType::kBool, {2});
  EXPECT_EQ(Json::parse(encode(truth, DType::kBool, {2}, bools, "").body)["outputs"][0]["data"],
            Json({true, false}));
}

TEST(InferBody, WritesWhatIsNotFiniteAsTritonDoes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> odd = {std::nanf(""), kInfinity, -kInfinity};
  const auto model = model_of(DType::kFloat32, {3});
  EXPECT_THAT(encode(model, DType::kFloat32, {3}, odd, "json").body,
              HasSubstr(R"("data":[NaN,Infinity,-Infinity])"));
}

TEST(InferBody, WritesBytesBehindTheJson) {
  const std::vector<uint16_t> values = {1, 2};
  const Response response =
      encode(model_of(DType::kUInt16, {2}), DType::kUInt16, {2}, values, "binary");
  EXPECT_EQ(response.content_type, "application/octet-stream");
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].first, "Inference-Header-Content-Length");
  const size_t size = std::stoul(response.headers[0].second);
  const Json json = Json::parse(response.body.substr(0, size));
  EXPECT_EQ(json["outputs"][0]["parameters"]["binary_data_size"], 4);
  EXPECT_FALSE(json["outputs"][0].contains("data"));
  EXPECT_EQ(response.body.substr(size), std::string("\1\0\2\0", 4));
}

TEST(InferBody, WritesClassesAsTexts) {
  const std::vector<float> scores = {0.25F, 0.75F};
  const Response response =
      encode(model_of(DType::kFloat32, {2}), DType::kFloat32, {2}, scores, "classes");
  const Json output = Json::parse(response.body)["outputs"][0];
  EXPECT_EQ(output["datatype"], "BYTES");
  ASSERT_EQ(output["data"].size(), 2U);
  EXPECT_THAT(output["data"][0].get<std::string>(), HasSubstr(":1:dog \"x\""));
  EXPECT_THAT(output["data"][1].get<std::string>(), HasSubstr(":0:cat"));
}

// "x" and "y" of UINT8, four elements, in a region of ten bytes.
class InferBodyInSharedMemory : public ::testing::Test {
 protected:
  InferBodyInSharedMemory() { EXPECT_TRUE(memory_.add({"r", object_.key(), 0, 10}).ok()); }

  Result<InferBody> decode(const std::string& input, const std::string& output) {
    std::string json = one_input(R"("datatype":"UINT8","shape":[4],)" + input);
    json.pop_back();
    json += R"(,"outputs":[{"name":"y")" + output + "}]}";
    return decode_with(model_, memory_, json, {});
  }
  static std::string place(const std::string& more) {
    return R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":4)" + more + "}";
  }

  const SharedObject object_{"0123456789"};
  SharedMemory memory_{{.enabled = true}};
  const std::shared_ptr<const models::ModelVersion> model_ = model_of(DType::kUInt8, {4});
};

TEST_F(InferBodyInSharedMemory, TensorsAreReadAndWrittenThere) {
  const auto body = decode(place(R"(,"shared_memory_offset":2)"), "," + place(""));
  ASSERT_TRUE(body.ok()) << body.status().to_string();
  EXPECT_THAT(numbers<uint8_t>(body->call->inputs[0]), ElementsAre('2', '3', '4', '5'));
  EXPECT_FALSE(has_json_data(*body));
  const std::string text = "abcd";
  const TensorView view{DType::kUInt8, {4}, std::as_bytes(std::span(text))};
  const auto answer = encode_infer(*body, {&view, 1});
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  EXPECT_EQ(object_.content(), "abcd456789");
  const Json output = Json::parse(answer->body)["outputs"][0];
  EXPECT_FALSE(output.contains("data"));
  EXPECT_EQ(output["parameters"],
            Json({{"shared_memory_region", "r"}, {"shared_memory_byte_size", 4}}));
  object_.truncate(1);
  EXPECT_THAT(encode_infer(*body, {&view, 1}).status().message(), HasSubstr("output 'y'"));
}

TEST_F(InferBodyInSharedMemory, MistakesAreTold) {
  const std::string data = R"("data":[1,2,3,4])";
  const std::tuple<std::string, std::string, const char*> cases[] = {
      {data + "," + place(""), "", "has more than one of"},
      {place(R"(,"shared_memory_offset":7)"), "", "are not within shared memory region 'r'"},
      {place(R"(,"shared_memory_offset":-1)"), "", "'shared_memory_offset' must be"},
      {R"("parameters":{"shared_memory_region":"r","shared_memory_byte_size":3})", "", "needs 4"},
      {R"("parameters":{"shared_memory_region":"s","shared_memory_byte_size":4})", "", "'s'"},
      {R"("parameters":{"shared_memory_region":[]})", "", "must be the name of a region"},
      {data, R"(,"parameters":{"shared_memory_region":"s","shared_memory_byte_size":4})", "'s'"},
  };
  for (const auto& [input, output, message] : cases) {
    const auto body = decode(input, output);
    ASSERT_FALSE(body.ok()) << input << output;
    EXPECT_THAT(body.status().message(), HasSubstr(message));
  }
}

TEST(InferBody, TheLayoutIsANumber) {
  Request request;
  EXPECT_EQ(body_layout(request)->json_bytes, std::nullopt);
  request.headers["inference-header-content-length"] = "12";
  EXPECT_EQ(body_layout(request)->json_bytes, 12);
  for (const char* text : {"", "-1", "1x", " 1", "99999999999999999999"}) {
    request.headers["Inference-Header-Content-Length"] = text;
    EXPECT_THAT(body_layout(request).status().message(), HasSubstr("is not a number")) << text;
  }
}

}  // namespace
}  // namespace inferd::serve
