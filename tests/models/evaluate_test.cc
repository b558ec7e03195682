// SPDX-License-Identifier: Apache-2.0
//
// What `inferctl evaluate` measures of real models on real data: the figures written here, and
// those that the official runtime (of TensorFlow Lite, or ONNX Runtime) gets from the very same
// input tensors, each within half a point. docs/evaluate.md shows them.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/contestant.h"
#include "media/reals.h"
#include "tests/models/compare.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = INFERD_TEST_MODELS;
const fs::path kCache = INFERD_TEST_CACHE;

struct Case {
  const char* name;
  fs::path model;
  const char* task;
  const char* data;  // of INFERD_TEST_MODELS/data
  const char* preprocess;
  // The task's first figure. How pictures are resampled is a part of it: half a step of one pixel
  // in two hundred names one photo of a hundred otherwise.
  double expected;
  fs::path labels;  // names of a detector's classes

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

const fs::path kOpenImages = "ssd_mobilenet_v2_oid.tflite";

const Case kCases[] = {
    {"resnet_int8",
     kModels / "tflite/pretrainedResnet_quant.tflite",
     "classify",
     "mlperf_tiny/ic01",
     "",
     0.88,
     {}},
    {"person_int8",
     kModels / "tflite/vww_96_int8.tflite",
     "classify",
     "mlperf_tiny/vww01",
     "",
     0.8685,
     {}},
    {"keywords_int8",
     kModels / "tflite/kws_ref_model.tflite",
     "classify",
     "mlperf_tiny/kws01",
     "",
     0.898,
     {}},
    {"anomaly_int8",
     kModels / "tflite/ad01_int8.tflite",
     "anomaly",
     "mlperf_tiny/ad01",
     "",
     0.8595,
     {}},
    {"mobilenet_v1_uint8",
     kModels / "tflite/mobilenet_v1_0.25_128_quant.tflite",
     "classify",
     "imagenet",
     "crop",
     0.56,
     {}},
    {"mobilenet_v2_uint8",
     kModels / "tflite/mobilenet_v2_1.0_224_quant.tflite",
     "classify",
     "imagenet",
     "crop",
     0.88,
     {}},
    {"mobilenet_v2_int8",
     kModels / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
     "classify",
     "imagenet",
     "crop",
     0.89,
     {}},
    {"coco_ssd_uint8", kModels / "tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite", "detections",
     "coco", "", 0.365, kModels / "labels/coco_ssd_mobilenet_labels.txt"},
    {"ssd_float16", kCache / kOpenImages, "ssd", "coco", "mean=127.5,std=127.5", 0.32,
     kCache / "ssd_mobilenet_v2_oid.labels.txt"},
    {"mobilenet_v2_onnx_int8",
     kModels / "onnx/mobilenet_v2_quant.onnx",
     "classify",
     "imagenet",
     "crop,mean=123.675/116.28/103.53,std=58.395/57.12/57.375",
     0.66,
     {}},
    {"yolox_nano",
     kModels / "onnx/yolox_nano.onnx",
     "yolox",
     "coco",
     "letterbox,bgr,mean=0,std=1",
     0.548,
     {}},
    {"nanodet",
     kModels / "onnx/nanodet_m.onnx",
     "nanodet",
     "coco",
     "letterbox,bgr,mean=103.53/116.28/123.675,std=57.375/57.12/58.395",
     0.5195,
     {}},
    {"fastestdet",
     kModels / "onnx/FastestDet.onnx",
     "fastestdet",
     "coco",
     "bgr,mean=0,std=255",
     0.385,
     {}},
};

std::vector<std::string> names_in(const fs::path& path) {
  const auto text = read_text(path.string());
  const auto names = text.ok() ? parse_names(*text, path.string()) : text.status();
  return names.ok() ? *names : std::vector<std::string>();
}

std::string argument(const fs::path& path) { return " '" + path.string() + "'"; }

class Evaluate : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    const fs::path data = kModels / "data" / c.data;
    if (!fs::exists(c.model) || !fs::exists(data)) {
      GTEST_SKIP() << "SKIPPED: needs " << c.model << " and " << data;
    }
    task_ = *find_task(c.task);
    // COCO's 80 classes are those of its detector's list that have a name.
    if (!c.labels.empty()) {
      names_.model = names_in(c.labels);
      names_.data = names_in(kModels / "labels/coco_ssd_mobilenet_labels.txt");
      std::erase(names_.data, "???");
      ASSERT_EQ(names_.data.size(), 80U);
    }
    DataOptions options{data.string(), "", {}, 0};
    if (std::string(c.data) == "imagenet") options.truth = list_every_tenth_class(data);
    auto opened = LabelledData::open(task_.truth, options);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    data_ = std::move(*opened);
    auto engine = Engine::create({});
    ASSERT_TRUE(engine.ok());
    auto ours = Contestant::create(**engine, c.model.string(), task_, names_);
    ASSERT_TRUE(ours.ok()) << ours.status().to_string();
    ours_.emplace(std::move(*ours));
  }

  bool is_onnx() const { return GetParam().model.extension() == ".onnx"; }

  // The photos are of every tenth of 1000 classes; class 0 of TensorFlow's models is the
  // background.
  std::string list_every_tenth_class(const fs::path& photos) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(photos)) {
      files.push_back(entry.path().filename().string());
    }
    std::sort(files.begin(), files.end());
    std::string path = folder_.file("imagenet.csv");
    std::ofstream list(path);
    for (size_t i = 0; i < files.size(); ++i) {
      list << files[i] << "," << (i + 1) * 10 - (is_onnx() ? 1 : 0) << "\n";
    }
    return path;
  }

  // Runs our engine on all samples and keeps their inputs, one behind the other.
  void run_ours(media::Array* stacked) {
    for (const LabelledSample& sample : data_.samples()) {
      const auto runs = read_sample(sample, ours_->input(), GetParam().preprocess);
      ASSERT_TRUE(runs.ok()) << runs.status().to_string();
      for (const SampleInput& run : *runs) {
        const Status status = ours_->run(sample, run);
        ASSERT_TRUE(status.ok()) << sample.path << ": " << status.to_string();
        if (stacked->data.empty()) *stacked = {run.tensor.dtype, run.tensor.shape, {}};
        stacked->data.insert(stacked->data.end(), run.tensor.data.begin(), run.tensor.data.end());
      }
    }
    stacked->shape[0] *=
        static_cast<int64_t>(stacked->data.size()) /
        (stacked->shape.elements() * static_cast<int64_t>(dtype_size(stacked->dtype)));
  }

  // The same measure of what the official runtime puts out for these inputs.
  double official_figure(const media::Array& stacked, const fs::path& runtime) const {
    const std::string inputs = folder_.file("inputs.npy");
    const std::string outputs = folder_.file("outputs");
    EXPECT_TRUE(media::write_npy(inputs, stacked.view()).ok());
    const std::string command =
        "node" +
        argument(fs::path(INFERD_SOURCE_DIR "/tests/models") /
                 (is_onnx() ? "record_onnx_reference.mjs" : "record_tflite_reference.mjs")) +
        argument(runtime) + argument(GetParam().model) + argument(outputs) + argument(inputs) +
        " 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
    const auto engine = Engine::create({});
    const auto model = (*engine)->load(GetParam().model.string());
    std::vector<std::vector<float>> reals;
    for (size_t i = 0; i < ours_->output_infos().size(); ++i) {
      const auto array = media::read_npy(outputs + "/output_" + std::to_string(i) + ".npy");
      EXPECT_TRUE(array.ok()) << array.status().to_string();
      if (!array.ok()) return -1;
      reals.push_back(media::reals_of(array->view(), (*model)->outputs()[i].quantization));
    }
    const auto score = make_score(task_, ours_->input(), ours_->output_infos(), names_);
    size_t run = 0;
    for (const LabelledSample& sample : data_.samples()) {
      const auto inputs_of = read_sample(sample, ours_->input(), GetParam().preprocess);
      for (const SampleInput& input : *inputs_of) {
        std::vector<TensorView> views;
        for (size_t i = 0; i < reals.size(); ++i) {
          const size_t count = ours_->outputs()[i].as<float>().size();
          views.push_back({DType::kFloat32, ours_->outputs()[i].shape,
                           std::as_bytes(std::span(reals[i]).subspan(run * count, count))});
        }
        EXPECT_TRUE((*score)->add(sample, input, views).ok());
        ++run;
      }
    }
    return (*score)->figures()[0].value;
  }

  const TemporaryFolder folder_;
  Task task_;
  ClassNames names_;
  LabelledData data_;
  std::optional<Contestant> ours_;
};

TEST_P(Evaluate, IsAsGoodAsInTheOfficialRuntime) {
  constexpr double kHalfPoint = 0.005;
  media::Array stacked;
  run_ours(&stacked);
  if (HasFatalFailure()) return;
  const Figure ours = ours_->figures()[0];
  std::cout << "  " << ours.key << " of " << data_.samples().size() << " samples: " << ours.value;
  EXPECT_NEAR(ours.value, GetParam().expected, kHalfPoint);
  const fs::path modules = kCache / "node_modules";
  const fs::path package = modules / (is_onnx() ? "onnxruntime-node" : "@tensorflow/tfjs-tflite");
  if (!fs::exists(package)) {
    std::cout << "\n";
    GTEST_SKIP() << "SKIPPED: the comparison needs " << package;
  }
  const double official = official_figure(stacked, is_onnx() ? modules : package);
  std::cout << ", official runtime " << official << "\n";
  EXPECT_NEAR(ours.value, official, kHalfPoint);
}

INSTANTIATE_TEST_SUITE_P(Models, Evaluate, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

// The command itself: two models beside each other, by the keys that docs/evaluate.md promises.
TEST(EvaluateCommand, ComparesTwoModels) {
  const fs::path data = kModels / "data/mlperf_tiny/ic01";
  if (!fs::exists(data)) GTEST_SKIP() << "SKIPPED: needs " << data;
  const TemporaryFolder folder;
  const fs::path printed = folder.file("report.json");
  const std::string command =
      std::string(INFERD_CTL) + " evaluate" + argument(kModels / "tflite/pretrainedResnet.tflite") +
      " --task classify --preprocess mean=0,std=1 --limit 50 --json --data" + argument(data) +
      " --against" + argument(kModels / "tflite/pretrainedResnet_quant.tflite") + " >" +
      argument(printed);
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream file(printed);
  const auto report = nlohmann::json::parse(file, nullptr, false);
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["task"], "classify");
  EXPECT_EQ(report["samples"], 50);
  ASSERT_EQ(report["models"].size(), 2U);
  for (const auto& model : report["models"]) {
    EXPECT_GT(model["top1"], 0.8);
    EXPECT_GE(model["top5"], model["top1"]);
    EXPECT_GT(model["ms"], 0);
  }
  EXPECT_GE(report["agreement"]["answers"]["same_top1"], 48);
  EXPECT_GT(report["agreement"]["outputs"][0]["cosine"], 0.99);
  EXPECT_GT(report["agreement"]["outputs"][0]["sqnr_db"], 20);
}

// An integer LSTM reads a handwritten nine row by row.
TEST(EvaluateDigits, TheLstmSaysNine) {
  const fs::path model = kModels / "tflite/keras_lstm_mnist_ptq.tflite";
  const fs::path picture = kModels / "images/mnist_nine.bmp";
  if (!fs::exists(model) || !fs::exists(picture)) {
    GTEST_SKIP() << "SKIPPED: needs " << model << " and " << picture;
  }
  // 28 rows of grey bytes, the lowest first, behind a header and a palette where colour i is grey
  // i.
  constexpr size_t kSide = 28;
  constexpr size_t kPixels = 1078;
  const auto text = read_text(picture.string());
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  ASSERT_GE(text->size(), kPixels + kSide * kSide);
  media::Array image{DType::kUInt8, {1, kSide, kSide}, {}};
  for (size_t row = kSide; row-- > 0;) {
    const auto bytes = std::as_bytes(std::span(*text)).subspan(kPixels + row * kSide, kSide);
    image.data.insert(image.data.end(), bytes.begin(), bytes.end());
  }
  const auto outputs = run_model(model.string(), {image});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  const auto scores = (*outputs)[0].view().as<uint8_t>();
  ASSERT_EQ(scores.size(), 10U);
  EXPECT_GT(scores[9], 230);  // of 256
}

// The whole way from recorded words to their names.
TEST(EvaluateSounds, KeywordsAreHeard) {
  const fs::path model = kModels / "tflite/kws_ref_model.tflite";
  const fs::path sounds = kModels / "audio";
  if (!fs::exists(model) || !fs::exists(sounds)) {
    GTEST_SKIP() << "SKIPPED: needs " << model << " and " << sounds;
  }
  constexpr size_t kYes = 9;
  constexpr size_t kSilence = 10;
  constexpr size_t kUnknown = 11;
  const std::pair<const char*, size_t> words[] = {{"yes.wav", kYes},
                                                  {"yes_1000ms.wav", kYes},
                                                  {"marvin_617de221_0.wav", kUnknown},
                                                  {"silence_1000ms.wav", kSilence}};
  const auto engine = Engine::create({});
  auto heard = Contestant::create(**engine, model.string(), *find_task("classify"), {});
  ASSERT_TRUE(heard.ok()) << heard.status().to_string();
  for (const auto& [file, word] : words) {
    const LabelledSample sample{(sounds / file).string(), word, 0, 0, {}};
    const auto runs = read_sample(sample, heard->input(), "");
    ASSERT_TRUE(runs.ok()) << runs.status().to_string();
    ASSERT_TRUE(heard->run(sample, (*runs)[0]).ok());
    const auto scores = heard->outputs()[0].as<float>();
    EXPECT_GT(scores[word], 0.85F) << file;
  }
}

}  // namespace
}  // namespace inferd::ctl
