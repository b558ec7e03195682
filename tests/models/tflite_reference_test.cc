// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite models against recorded outputs of the official runtime: the same top-1, at least
// 99 % of 8-bit outputs within one step, floats within 1e-3.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

struct Golden {
  std::string model, input;

  friend void PrintTo(const Golden& golden, std::ostream* out) {
    *out << golden.model << " with " << golden.input;
  }
};

// come.
const Golden kGoldens[] = {
    {"ad01_int8", "pattern"},
    {"kws_ref_model", "pattern"},
    {"mobilenet_v1_0.25_128_quant", "cat_720p"},
    {"mobilenet_v1_0.25_128_quant", "parrot"},
    {"mobilenet_v1_0.25_128_quant", "pattern"},
    {"mobilenet_v2_1.0_224_quant", "cat_720p"},
    {"mobilenet_v2_1.0_224_quant", "parrot"},
    {"mobilenet_v2_1.0_224_quant", "pattern"},
    {"pretrainedResnet", "pattern"},
    {"pretrainedResnet_quant", "pattern"},
    {"tf2_mobilenet_v2_1.0_224_ptq", "cat_720p"},
    {"tf2_mobilenet_v2_1.0_224_ptq", "parrot"},
    {"tf2_mobilenet_v2_1.0_224_ptq", "pattern"},
    {"vww_96_float", "pattern"},
    {"vww_96_int8", "cat_720p"},
    {"vww_96_int8", "grace_hopper"},
    {"vww_96_int8", "pattern"},
};

void expect_close(const TensorView& got, const TensorView& expected) {
  ASSERT_EQ(got.dtype, expected.dtype);
  ASSERT_EQ(got.shape.elements(), expected.shape.elements()) << got.shape.to_string();
  const std::vector<double> a = numbers(got);
  const std::vector<double> b = numbers(expected);
  const bool is_float = got.dtype == DType::kFloat32;
  size_t equal = 0;
  size_t near = 0;
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double distance = std::abs(a[i] - b[i]);
    worst = std::max(worst, distance);
    equal += distance == 0 ? 1 : 0;
    near += distance <= (is_float ? 1e-3 : 1) ? 1 : 0;
  }
  const double count = static_cast<double>(a.size());
  std::cout << "  " << 100.0 * static_cast<double>(equal) / count << " % equal, largest difference "
            << worst << "\n";
  if (is_float) {
    EXPECT_EQ(near, a.size());
  } else {
    EXPECT_GE(static_cast<double>(near), 0.99 * count);
  }
  EXPECT_EQ(std::max_element(a.begin(), a.end()) - a.begin(),
            std::max_element(b.begin(), b.end()) - b.begin());
}

class TfliteGolden : public ::testing::TestWithParam<Golden> {};

TEST_P(TfliteGolden, MatchesTheOfficialRuntime) {
  const fs::path models(INFERD_TEST_MODELS);
  const fs::path golden = models / "golden" / GetParam().model / GetParam().input;
  if (!fs::exists(golden)) GTEST_SKIP() << "SKIPPED: no recorded outputs in " << golden;
  const auto input = media::read_npy((golden / "input_0.npy").string());
  const auto expected = media::read_npy((golden / "output_0.npy").string());
  ASSERT_TRUE(input.ok() && expected.ok());
  const fs::path model = models / "tflite" / (GetParam().model + ".tflite");
  const auto outputs = run_model(model.string(), {*input});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  expect_close((*outputs)[0].view(), expected->view());
}

std::string test_name(const ::testing::TestParamInfo<Golden>& info) {
  std::string name = info.param.model + "_" + info.param.input;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, TfliteGolden, ::testing::ValuesIn(kGoldens), test_name);

}  // namespace
}  // namespace inferd
