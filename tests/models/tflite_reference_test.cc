// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite models against recorded outputs of the official runtime: the same top-1, 8-bit
// outputs equal, floats within 1e-3 of the largest (or of 1).
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "media/preprocess.h"
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

const Golden kGoldens[] = {
    {"ad01_int8", "pattern"},
    {"deeplabv3_mnv2_dm05_pascal_quant", "bird"},
    {"deeplabv3_mnv2_dm05_pascal_quant", "pattern"},
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
  // Class indices may be recorded as bytes.
  const bool indices = got.dtype == DType::kInt64 && expected.dtype == DType::kUInt8;
  ASSERT_TRUE(got.dtype == expected.dtype || indices) << dtype_name(got.dtype);
  ASSERT_EQ(got.shape.elements(), expected.shape.elements()) << got.shape.to_string();
  const std::vector<double> a = to_numbers(got);
  const std::vector<double> b = to_numbers(expected);
  const bool is_float = got.dtype == DType::kFloat32;
  // Noise drives some networks far out, where sums taken in another order differ by more.
  double largest = 1;
  for (double number : b) largest = std::max(largest, std::abs(number));
  size_t equal = 0;
  size_t near = 0;
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double distance = std::abs(a[i] - b[i]);
    worst = std::max(worst, distance);
    equal += distance == 0 ? 1 : 0;
    near += distance <= (is_float ? 1e-3 * largest : 0) ? 1 : 0;
  }
  const double count = static_cast<double>(a.size());
  std::cout << "  " << 100.0 * static_cast<double>(equal) / count << " % equal, largest difference "
            << worst << "\n";
  EXPECT_EQ(near, a.size());
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

// Models that npm brings, or for which no outputs were recorded, against the official runtime run
// now, on noise.
struct Live {
  std::string path;

  friend void PrintTo(const Live& live, std::ostream* out) { *out << live.path; }
};

// Floats from -1 to 1, or any bytes.
void fill_with_noise(media::Array& array) {
  std::mt19937 random(5);
  const auto count = static_cast<size_t>(array.shape.elements());
  if (array.dtype == DType::kFloat32) {
    std::vector<float> noise(count);
    for (float& v : noise) v = static_cast<float>(random() % 2001) / 1000.F - 1.F;
    const auto bytes = std::as_bytes(std::span(noise));
    array.data.assign(bytes.begin(), bytes.end());
  } else {
    array.data.resize(count);
    for (std::byte& b : array.data) b = static_cast<std::byte>(random() % 256);
  }
}

class TfliteLive : public ::testing::TestWithParam<Live> {};

TEST_P(TfliteLive, MatchesTheOfficialRuntime) {
  const fs::path cache(INFERD_TEST_CACHE);
  const fs::path model = GetParam().path;
  const fs::path package = cache / "node_modules/@tensorflow/tfjs-tflite";
  if (!fs::exists(model) || !fs::exists(package)) {
    GTEST_SKIP() << "SKIPPED: run scripts/fetch-test-data.sh";
  }
  const auto engine = Engine::create({});
  ASSERT_TRUE(engine.ok());
  const auto info = (*engine)->inspect(model.string());
  ASSERT_TRUE(info.ok()) << info.status().to_string();
  media::Array input{info->inputs[0].dtype, info->inputs[0].shape, {}};
  if (info->batchable) input.shape[0] = 1;
  fill_with_noise(input);

  const fs::path folder = cache / "tflite-live" / model.stem();
  fs::create_directories(folder);
  ASSERT_TRUE(media::write_npy((folder / "input.npy").string(), input.view()).ok());
  const std::string command = "node '" INFERD_SOURCE_DIR
                              "/tests/models/record_tflite_reference.mjs' '" +
                              package.string() + "' '" + model.string() + "' '" + folder.string() +
                              "' '" + (folder / "input.npy").string() + "' 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto outputs = run_model(model.string(), {input});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  for (size_t i = 0; i < outputs->size(); ++i) {
    const auto expected =
        media::read_npy((folder / ("output_" + std::to_string(i) + ".npy")).string());
    ASSERT_TRUE(expected.ok()) << expected.status().to_string();
    expect_close((*outputs)[i].view(), expected->view());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, TfliteLive,
    ::testing::Values(
        Live{INFERD_TEST_CACHE "/ssd_mobilenet_v2_oid.tflite"},
        Live{INFERD_TEST_CACHE
             "/node_modules/@mediapipe/face_detection/face_detection_short_range.tflite"},
        Live{INFERD_TEST_CACHE
             "/node_modules/@mediapipe/face_detection/face_detection_full_range.tflite"},
        Live{INFERD_TEST_CACHE
             "/node_modules/@mediapipe/objectron/object_detection_3d_camera.tflite"},
        Live{INFERD_TEST_CACHE
             "/node_modules/@mediapipe/objectron/object_detection_3d_chair.tflite"},
        Live{INFERD_TEST_CACHE "/node_modules/@mediapipe/objectron/object_detection_3d_cup.tflite"},
        Live{INFERD_TEST_CACHE
             "/node_modules/@mediapipe/objectron/object_detection_3d_sneakers.tflite"},
        Live{INFERD_TEST_CACHE "/node_modules/@mediapipe/pose/pose_landmark_lite.tflite"},
        Live{INFERD_TEST_CACHE "/node_modules/@mediapipe/pose/pose_landmark_full.tflite"},
        Live{INFERD_TEST_MODELS "/tflite/keras_lstm_mnist_ptq.tflite"},
        Live{INFERD_TEST_MODELS "/tflite/trained_lstm_int8.tflite"}),
    [](const auto& test) {
      std::string name = fs::path(test.param.path).stem();
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

// Each frame of the sequence shows a vehicle at the right edge, driving to the left. The state
// inputs are zero.
TEST(Traffic, AVehicleIsBoxedInEachFrame) {
  const fs::path models(INFERD_TEST_MODELS);
  const fs::path model = models / "tflite/traffic_model.tflite";
  if (!fs::exists(model)) GTEST_SKIP() << "SKIPPED: no model " << model;
  media::Array state{DType::kUInt8, {1, 8, 8, 320}, std::vector<std::byte>(8 * 8 * 320)};
  const TensorInfo input{"image", DType::kUInt8, {1, 256, 256, 3}, {}};
  float previous_left = 1;
  for (const char* frame : {"traffic_0001.bmp", "traffic_0002.bmp", "traffic_0003.bmp"}) {
    const auto image = media::read_image((models / "images" / frame).string());
    ASSERT_TRUE(image.ok()) << image.status().to_string();
    media::Array tensor{input.dtype, input.shape, std::vector<std::byte>(256 * 256 * 3)};
    ASSERT_TRUE(media::fill_tensor(*image, {}, input, tensor.data).ok());
    const auto outputs = run_model(model.string(), {tensor, state, state});
    ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
    const auto box = (*outputs)[0].view().as<float>();  // best first: y, x, y, x
    const float score = (*outputs)[2].view().as<float>()[0];
    std::cout << "  " << frame << ": score " << score << ", box " << box[0] << " " << box[1] << " "
              << box[2] << " " << box[3] << "\n";
    EXPECT_GT(score, 0.4F);
    EXPECT_NEAR(box[0], 0.55F, 0.05F);
    EXPECT_NEAR(box[2], 0.745F, 0.05F);
    EXPECT_LT(box[1], previous_left);
    previous_left = box[1];
  }
}

}  // namespace
}  // namespace inferd
