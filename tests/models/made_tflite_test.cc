// SPDX-License-Identifier: Apache-2.0
//
// Made TensorFlow Lite models (made_tflite.h) against the official runtime, run now on the same
// random numbers, as often as the model says with one state.
#include "tests/models/made_tflite.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/fuzz/fuzz_model.h"
#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(INFERD_TEST_CACHE) / "tflite-made";
const fs::path kPackage = fs::path(INFERD_TEST_CACHE) / "node_modules/@tensorflow/tfjs-tflite";

std::string model_path(const MadeModel& made) {
  return (kFolder / made.name / "model.tflite").string();
}
fs::path run_folder(const MadeModel& made, int run) {
  return kFolder / made.name / std::to_string(run);
}

// Floats from -1 to 1; 16-bit integers from -8192 to 8192.
media::Array noise(const TensorInfo& info, uint32_t seed) {
  std::mt19937 random(seed);
  media::Array array{info.dtype, info.shape, {}};
  if (array.shape.rank() > 0 && array.shape[0] == kDynamicDim) array.shape[0] = 1;
  const auto fill = [&](auto draw) {
    std::vector<decltype(draw())> values(static_cast<size_t>(array.shape.elements()));
    for (auto& v : values) v = draw();
    const auto bytes = std::as_bytes(std::span(values));
    array.data.assign(bytes.begin(), bytes.end());
  };
  if (info.dtype == DType::kInt16) {
    fill([&] { return static_cast<int16_t>(static_cast<int>(random() % 16385) - 8192); });
  } else {
    fill([&] { return static_cast<float>(random() % 2001) / 1000.F - 1.F; });
  }
  return array;
}

class MadeTflite : public ::testing::TestWithParam<MadeModel> {};

// Writes the model and the inputs of its runs, and has the official runtime run them. In folders of
// the model alone: tests of several models may run at once.
void record(const MadeModel& made, const Model& model) {
  nlohmann::json runs = nlohmann::json::array();
  for (int run = 0; run < made.runs; ++run) {
    fs::remove_all(run_folder(made, run));
    fs::create_directories(run_folder(made, run));
    const fs::path input = run_folder(made, run) / "input.npy";
    const media::Array array = noise(model.inputs()[0], static_cast<uint32_t>(run) + 17);
    ASSERT_TRUE(media::write_npy(input.string(), array.view()).ok());
    runs.push_back({{"output", run_folder(made, run).string()},
                    {"inputs", nlohmann::json::array({input.string()})}});
  }
  const fs::path list = kFolder / made.name / "list.json";
  std::ofstream(list)
      << nlohmann::json::array({{{"model", model_path(made)}, {"runs", std::move(runs)}}}).dump(1);
  const std::string command = "node '" INFERD_SOURCE_DIR
                              "/tests/models/record_tflite_reference.mjs' '" +
                              kPackage.string() + "' --list '" + list.string() + "' 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
}

void expect_near(const TensorView& got, const TensorView& expected, double tolerance) {
  ASSERT_EQ(got.shape.elements(), expected.shape.elements()) << got.shape.to_string();
  const std::vector<double> a = to_numbers(got);
  const std::vector<double> b = to_numbers(expected);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i], b[i], tolerance) << "element " << i;
  }
}

TEST_P(MadeTflite, MatchesTheOfficialRuntime) {
  const MadeModel& made = GetParam();
  if (!fs::exists(kPackage)) GTEST_SKIP() << "SKIPPED: run scripts/fetch-test-data.sh";
  fs::create_directories(kFolder / made.name);
  std::ofstream(model_path(made), std::ios::binary) << made.bytes;
  const auto engine = Engine::create({});
  const auto model = (*engine)->load(model_path(made));
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  ASSERT_NO_FATAL_FAILURE(record(made, **model));
  const auto context = (*model)->create_context();
  ASSERT_TRUE(context.ok()) << context.status().to_string();
  const auto state = (*model)->create_state();
  ASSERT_EQ(state != nullptr, made.runs > 1);
  const std::vector<State*> states(made.runs > 1 ? 1 : 0, state.get());
  if (std::ifstream refused(run_folder(made, 0) / "refused.txt"); refused) {
    std::string reason;
    std::getline(refused, reason);
    GTEST_SKIP() << "SKIPPED: the official runtime does not run it: " << reason;
  }
  for (int run = 0; run < made.runs; ++run) {
    const auto input = media::read_npy((run_folder(made, run) / "input.npy").string());
    ASSERT_TRUE(input.ok());
    const TensorView view = input->view();
    const auto outputs = (*context)->run({&view, 1}, states);
    ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
    for (size_t i = 0; i < outputs->size(); ++i) {
      const auto expected = media::read_npy(
          (run_folder(made, run) / ("output_" + std::to_string(i) + ".npy")).string());
      ASSERT_TRUE(expected.ok()) << expected.status().to_string();
      expect_near((*outputs)[i], expected->view(), made.tolerance);
    }
  }
}

// Every byte with a bit turned over: an error that says something, or a model that runs.
TEST_P(MadeTflite, MayBeDamaged) {
  std::mt19937 random(3);
  std::string bytes = GetParam().bytes;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const char whole = bytes[at];
    bytes[at] = static_cast<char>(whole ^ (1 << random() % 8));
    fuzz_model(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    bytes[at] = whole;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, MadeTflite, ::testing::ValuesIn(made_tflite_models()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace inferd
