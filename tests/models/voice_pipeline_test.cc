// SPDX-License-Identifier: Apache-2.0
//
// Silero VAD v5 in a pipeline: windows of a sound, a state that goes on from one to the next, and
// an input that is always the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "daemon/pipeline/pipeline.h"
#include "media/sound.h"
#include "tests/models/silero_reference.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;

class VoicePipeline : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path path =
        fs::path(INFERD_TEST_CACHE) / "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx";
    if (!fs::exists(path) || !fs::exists(INFERD_TEST_MODELS "/audio"))
      GTEST_SKIP() << "SKIPPED: no sounds, or run scripts/fetch-test-data.sh";
    const auto engine = Engine::create({});
    ASSERT_TRUE(engine.ok());
    LoadOptions options;
    options.states = {{"state", "stateN"}};
    const auto model = (*engine)->load(path, options);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    repository_.add("vad", *model);
    config_.name = "voice";
    config_.stages = {node("window", {{"rows", "576"}, {"hop", "512"}}),
                      node("infer", {{"model", "vad"}, {"constant.sr", "16000"}}),
                      node("decode_values", {}, "names", {"speech"})};
  }
  // As 16 bits at 16 kHz, behind `silence` samples of it.
  void save(const std::string& name, size_t silence) {
    const auto sound = media::read_sound(fs::path(INFERD_TEST_MODELS) / "audio" / name);
    ASSERT_TRUE(sound.ok()) << sound.status().to_string();
    std::vector<int16_t> samples(silence);
    for (const float s : sound->samples)
      samples.push_back(
          static_cast<int16_t>(std::lround(std::clamp(s * 32768, -32768.F, 32767.F))));
    const auto bytes = static_cast<uint32_t>(2 * samples.size());
    std::ofstream file(folder_.file("sound.wav"), std::ios::binary);
    const auto put = [&](auto value) {
      file.write(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    file << "RIFF";
    put(36 + bytes);
    file << "WAVEfmt ";
    put(uint32_t{16});
    put(uint16_t{1});
    put(uint16_t{1});
    put(uint32_t{16000});
    put(uint32_t{32000});
    put(uint16_t{2});
    put(uint16_t{16});
    file << "data";
    put(bytes);
    file.write(reinterpret_cast<const char*>(samples.data()), bytes);
    config_.source = node("wav", {{"path", folder_.file("sound.wav")}, {"live", "false"}});
  }
  // The values of all windows, by name.
  std::vector<double> run(const std::string& name) {
    auto pipeline = Pipeline::create(config_, repository_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status().to_string();
    if (!pipeline.ok()) return {};
    const auto mailbox = (*pipeline)->subscribe(100'000);
    (*pipeline)->start();
    std::vector<double> values;
    while (!mailbox->ended()) {
      const auto result = mailbox->take(1000);
      if (result == nullptr) continue;
      for (const Value& v : result->values) {
        if (v.name == name) values.push_back(v.value);
      }
    }
    EXPECT_EQ((*pipeline)->status().failed, 0U) << (*pipeline)->status().last_error;
    return values;
  }

  FakeRepository repository_;
  config::PipelineConfig config_;
  const TemporaryFolder folder_;
};

TEST_F(VoicePipeline, EqualsOnnxRuntimeWindowByWindow) {
  save("silero_test.wav", 64);  // what the reference has before its first frame
  const std::vector<double> got = run("speech");
  ASSERT_GE(got.size(), kSileroReference.size());
  double worst = 0;
  for (size_t i = 0; i < kSileroReference.size(); ++i)
    worst = std::max(worst, std::abs(got[i] - double{kSileroReference[i]}));
  std::cout << "  apart by " << worst << " at most\n";
  EXPECT_LT(worst, 1e-4) << "the reference has four digits";
}

TEST_F(VoicePipeline, ASwitchIsOnWhileSomebodySpeaks) {
  config_.stages.push_back(node("switch", {{"name", "voice"},
                                           {"of", "speech"},
                                           {"on", "0.5"},
                                           {"off", "0.35"},
                                           {"on_ms", "60"},
                                           {"off_ms", "100"}}));
  save("yes_1000ms.wav", 16000);
  const std::vector<double> said = run("voice");
  ASSERT_GT(said.size(), 40U);
  EXPECT_EQ(said.front(), 0) << "a second of silence";
  EXPECT_EQ(std::count(said.begin(), said.begin() + 30, 1), 0);
  EXPECT_GE(std::count(said.begin() + 30, said.end(), 1), 5);
  save("noise_1000ms.wav", 0);
  const std::vector<double> noise = run("voice");
  EXPECT_EQ(std::count(noise.begin(), noise.end(), 1), 0);
}

}  // namespace
}  // namespace inferd::pipeline
