// SPDX-License-Identifier: Apache-2.0
//
// ONNX models against ONNX Runtime, recorded on first use by record_onnx_reference.mjs: floats
// within 1e-4 of the largest value of an output, quantized models bit for bit. Models of operators
// that no real one here has are made by make_onnx_models.py.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string model;
  bool exact = false;  // a quantized model
  // Of the largest value. A deep network makes rounding visible: yolox_nano's outputs change by so
  // much when sums are taken in another order, in whichever engine.
  double tolerance = 1e-4;

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.model; }
};

const Case kCases[] = {
    {"FastestDet"},      {"mnist"},
    {"nanodet_m"},       {"yolox_nano", false, 2e-4},
    {"yunet_n_320_320"}, {"mobilenet_v2_quant", true},
};

// The folder with recorded inputs and outputs under the cache's `kind`, made now when it is not
// there or older than the model. Empty: no way to make it.
fs::path recorded(const fs::path& model, const char* kind) {
  const fs::path folder = fs::path(INFERD_TEST_CACHE) / kind / model.stem();
  const fs::path complete = folder / "complete";
  if (fs::exists(complete) && fs::last_write_time(complete) >= fs::last_write_time(model)) {
    return folder;
  }
  const fs::path modules = fs::path(INFERD_TEST_CACHE) / "node_modules";
  if (!fs::exists(modules / "onnxruntime-node")) return {};
  const std::string command =
      "node '" INFERD_SOURCE_DIR "/tests/models/record_onnx_reference.mjs' '" + modules.string() +
      "' '" + model.string() + "' '" + folder.string() + "'";
  return std::system(command.c_str()) == 0 ? folder : fs::path();
}

std::vector<media::Array> read_all(const fs::path& folder, const std::string& stem) {
  std::vector<media::Array> arrays;
  for (int i = 0; fs::exists(folder / (stem + std::to_string(i) + ".npy")); ++i) {
    auto array = media::read_npy((folder / (stem + std::to_string(i) + ".npy")).string());
    EXPECT_TRUE(array.ok()) << array.status().to_string();
    if (array.ok()) arrays.push_back(std::move(*array));
  }
  return arrays;
}

class OnnxReference : public ::testing::TestWithParam<Case> {};

void expect_reference(const fs::path& model, const char* kind, bool exact, double tolerance) {
  const fs::path folder = recorded(model, kind);
  if (folder.empty())
    GTEST_SKIP() << "SKIPPED: ONNX Runtime is not there; run scripts/fetch-test-data.sh";
  const auto outputs = run_model(model.string(), read_all(folder, "input_"));
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  const std::vector<media::Array> expected = read_all(folder, "output_");
  ASSERT_EQ(outputs->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ((*outputs)[i].shape, expected[i].shape) << "output " << i;
    const std::vector<double> got = to_numbers((*outputs)[i].view());
    const std::vector<double> want = to_numbers(expected[i].view());
    double largest = 0;
    double worst = 0;
    for (size_t k = 0; k < want.size(); ++k) {
      largest = std::max(largest, std::abs(want[k]));
      worst = std::max(worst, std::abs(got[k] - want[k]));
    }
    std::cout << "  output " << i << ": largest " << largest << ", largest difference " << worst
              << "\n";
    // Sigmoids near zero have no relative accuracy to speak of: one float step around 1 is allowed.
    const double bound = exact ? 0 : tolerance * largest + 1.2e-7;
    EXPECT_LE(worst, bound) << "output " << i;
  }
}

TEST_P(OnnxReference, MatchesOnnxRuntime) {
  const fs::path model = fs::path(INFERD_TEST_MODELS) / "onnx" / (GetParam().model + ".onnx");
  if (!fs::exists(model)) GTEST_SKIP() << "SKIPPED: no model " << model;
  expect_reference(model, "onnx-reference", GetParam().exact, GetParam().tolerance);
}

std::string test_name(const ::testing::TestParamInfo<Case>& info) { return info.param.model; }

INSTANTIATE_TEST_SUITE_P(Models, OnnxReference, ::testing::ValuesIn(kCases), test_name);

TEST(OnnxMade, MatchesOnnxRuntime) {
  const fs::path folder = fs::path(INFERD_TEST_CACHE) / "onnx-made";
  const std::string script = INFERD_SOURCE_DIR "/tests/models/make_onnx_models.py";
  const fs::path stamp = folder / "complete";
  if (!fs::exists(stamp) || fs::last_write_time(stamp) < fs::last_write_time(script)) {
    const std::string command = "/usr/bin/python3 '" + script + "' '" + folder.string() + "'";
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "SKIPPED: no Python package onnx";
    std::ofstream(stamp) << "";
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    SCOPED_TRACE(entry.path().stem().string());
    std::cout << entry.path().stem().string() << "\n";
    expect_reference(entry.path(), "onnx-made-reference", false, 1e-5);
    if (IsSkipped()) return;
  }
}

}  // namespace
}  // namespace inferd
