// SPDX-License-Identifier: Apache-2.0
//
// inferctl quantize on real models: the int8 model still finds what the float one finds, and ONNX
// Runtime computes the same with it.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/models/onnx_runtime.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* name;
  fs::path model;
  const char* preprocess;
  std::vector<const char*> photos;  // of INFERD_TEST_MODELS/images
  const char* evaluate;
  const char* options;
  double min_good;     // share of detections over 0.5 that are found with an overlap of 0.9
  double min_overlap;  // mean overlap of those that are found; all but one in a hundred are
  // Agreement with ONNX Runtime on noise. Rounding differs at rare ties, and deep models make that
  // visible: with and without its optimisations that runtime is as far from itself.
  double min_runtime_db;

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

const fs::path kModels = INFERD_TEST_MODELS;
const fs::path kCache = INFERD_TEST_CACHE;
const fs::path kFaces = kCache / "node_modules/@mediapipe/face_detection";

const Case kCases[] = {
    {"ssd_mobilenet_v2",
     kCache / "ssd_mobilenet_v2_oid.tflite",
     "mean=127.5,std=127.5",
     {"astronaut.png", "dog.jpg", "person.jpg", "pets.jpg"},
     "ssd",
     "",
     1.0,
     0.96,
     20},
    {"fastestdet",
     kModels / "onnx/FastestDet.onnx",
     "bgr,mean=0,std=255",
     {"dog.jpg", "person.jpg", "street_0.jpg", "street_1.jpg"},
     "fastestdet",
     "",
     0.93,
     0.95,
     40},
    {"yunet",  // most faces on its photos are some pixels wide
     kModels / "onnx/yunet_n_320_320.onnx",
     "bgr,mean=0,std=1",
     {"face.jpg", "faces_1.jpg", "faces_17.jpg"},
     "yunet",
     "--equalize --float-percent 6",
     0.93,
     0.95,
     9},
    {"blazeface",
     kFaces / "face_detection_short_range.tflite",
     "mean=127.5,std=127.5",
     {"astronaut.png", "face.jpg", "grace_hopper.bmp"},
     "blazeface",
     "--equalize",
     0.8,
     0.93,
     20},
    {"blazeface_full_range",
     kFaces / "face_detection_full_range.tflite",
     "mean=127.5,std=127.5",
     {"astronaut.png", "face.jpg", "grace_hopper.bmp"},
     "blazeface",
     "",
     1.0,
     0.96,
     29},
    {"nanodet",
     kModels / "onnx/nanodet_m.onnx",
     "bgr,mean=103.53/116.28/123.675,std=57.375/57.12/58.395",
     {"dog.jpg", "person.jpg", "street_0.jpg", "street_1.jpg"},
     "nanodet",
     "",
     0.9,
     0.95,
     19},
};

// What a command prints; empty when it fails.
std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  return pclose(pipe) == 0 ? text : "";
}

std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

class Quantized : public ::testing::TestWithParam<Case> {
 protected:
  void link_photos() const {
    fs::create_directory(photos_);
    for (const char* photo : GetParam().photos) {
      fs::create_symlink(fs::absolute(kModels / "images" / photo), photos_ / photo);
    }
  }
  nlohmann::json quantize() const {
    const Case& c = GetParam();
    return nlohmann::json::parse(
        output_of(std::string(INFERD_CTL) + " quantize " + quoted(c.model) + " -o " +
                  quoted(int8_) + " --calibrate " + quoted(photos_) + " --preprocess " +
                  c.preprocess + " --evaluate " + c.evaluate + " --bias-correct --json " +
                  c.options),
        nullptr, false);
  }

  TemporaryFolder folder_;
  const fs::path photos_ = folder_.file("photos");
  const fs::path int8_ = folder_.file("int8.onnx");
};

TEST_P(Quantized, FindsTheSame) {
  const Case& c = GetParam();
  if (!fs::exists(c.model) || !fs::exists(kModels / "images")) {
    GTEST_SKIP() << "SKIPPED: needs " << c.model << " and " << kModels / "images";
  }
  link_photos();
  const nlohmann::json report = quantize();
  ASSERT_TRUE(report.is_object()) << "inferctl quantize failed";
  const nlohmann::json& agreement = report["agreement"];
  std::cout << "  " << agreement.dump() << "\n";
  const double detections = agreement["boxes"];
  ASSERT_GT(detections, 0) << "the measure itself is broken";
  EXPECT_GE(agreement["found"], detections * 0.99);
  EXPECT_GE(agreement["share_overlapping_90"], c.min_good);
  EXPECT_GE(agreement["mean_overlap"], c.min_overlap);
  EXPECT_LT(report["weights_bytes_after"], report["weights_bytes_before"].get<double>() * 0.4);
  if (onnx_runtime_is_here()) {
    expect_onnx_runtime_agrees(int8_, folder_.file("recorded"), c.min_runtime_db);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Quantized, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

// MLPerf Tiny's classifiers on its own pictures: files of bytes, one for each.
struct Classifier {
  const char* name;
  const char* model;   // of INFERD_TEST_MODELS/tflite
  const char* folder;  // of INFERD_TEST_MODELS/data/mlperf_tiny
  int64_t side;
  float scale;       // from a byte to what the model takes
  double min_equal;  // share of pictures with the same class

  friend void PrintTo(const Classifier& c, std::ostream* out) { *out << c.name; }
};

const Classifier kClassifiers[] = {
    {"mobilenet_v1_person", "vww_96_float.tflite", "vww01", 96, 1 / 255.F, 0.99},
    {"resnet_cifar10", "pretrainedResnet.tflite", "ic01", 32, 1.F, 0.99},
};

class QuantizedClassifier : public ::testing::TestWithParam<Classifier> {};

TEST_P(QuantizedClassifier, NamesTheSame) {
  constexpr size_t kMost = 100;
  const Classifier& c = GetParam();
  const fs::path model = kModels / "tflite" / c.model;
  const fs::path folder = kModels / "data/mlperf_tiny" / c.folder;
  if (!fs::exists(model) || !fs::exists(folder)) {
    GTEST_SKIP() << "SKIPPED: needs " << model << " and " << folder;
  }
  const TemporaryFolder temporary;
  const fs::path samples = temporary.file("samples");
  const fs::path int8 = temporary.file("int8.onnx");
  fs::create_directory(samples);
  const auto pixels = static_cast<size_t>(c.side * c.side * 3);
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".bin" || count == kMost) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    ASSERT_EQ(bytes.size(), pixels) << entry.path();
    std::vector<float> numbers;
    for (const char byte : bytes) {
      numbers.push_back(static_cast<float>(static_cast<uint8_t>(byte)) * c.scale);
    }
    const fs::path sample = samples / (entry.path().stem().string() + ".npy");
    ASSERT_TRUE(
        media::write_npy(
            sample, {DType::kFloat32, {1, c.side, c.side, 3}, std::as_bytes(std::span(numbers))})
            .ok());
    ++count;
  }
  const nlohmann::json report = nlohmann::json::parse(
      output_of(std::string(INFERD_CTL) + " quantize " + quoted(model) + " -o " + quoted(int8) +
                " --calibrate " + quoted(samples) + " --evaluate top1 --bias-correct --json"),
      nullptr, false);
  ASSERT_TRUE(report.is_object()) << "inferctl quantize failed";
  std::cout << "  " << report["agreement"].dump() << "\n";
  EXPECT_EQ(report["agreement"]["samples"], count);
  EXPECT_GE(report["agreement"]["same_top1"], static_cast<double>(count) * c.min_equal);
}

INSTANTIATE_TEST_SUITE_P(Models, QuantizedClassifier, ::testing::ValuesIn(kClassifiers),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace inferd
