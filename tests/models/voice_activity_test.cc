// SPDX-License-Identifier: Apache-2.0
//
// Silero VAD v5, which finds speech in sound: a model with branches, a recurrent state and shapes
// that are known only once it runs. Its state stays in the engine from frame to frame.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "inferd/engine/engine.h"
#include "media/sound.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFrame = 512;   // samples at 16 kHz
constexpr size_t kContext = 64;  // samples before a frame that the model sees again

class VoiceActivity : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path path =
        fs::path(INFERD_TEST_CACHE) / "node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx";
    if (!fs::exists(path)) GTEST_SKIP() << "SKIPPED: run scripts/fetch-test-data.sh";
    auto engine = Engine::create({});
    ASSERT_TRUE(engine.ok());
    LoadOptions options;
    options.states = {{"state", "stateN"}};
    auto model = (*engine)->load(path, options);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    auto context = (*model)->create_context();
    ASSERT_TRUE(context.ok()) << context.status().to_string();
    context_ = std::move(*context);
    state_ = (*model)->create_state();
  }

  // The probability of speech in each of the first `frames` frames (or as many as there are) of a
  // file, as one sequence.
  std::vector<float> listen(const char* name, size_t frames) {
    const fs::path path = fs::path(INFERD_TEST_MODELS) / "audio" / name;
    const auto sound = media::read_sound(path);
    EXPECT_TRUE(sound.ok()) << sound.status().to_string();
    if (!sound.ok()) return {};
    state_->reset();
    std::array<float, kContext + kFrame> input{};
    const int64_t rate = 16000;
    std::vector<float> probabilities;
    const std::vector<float>& samples = sound->samples;
    frames = std::min(frames, samples.size() / kFrame);
    for (size_t i = 0; i < frames; ++i) {
      std::copy(input.end() - kContext, input.end(), input.begin());
      std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(i * kFrame), kFrame,
                  input.begin() + kContext);
      const std::vector<TensorView> inputs = {
          {DType::kFloat32, {1, kContext + kFrame}, std::as_bytes(std::span(input))},
          {DType::kInt64, {}, std::as_bytes(std::span(&rate, 1))}};
      const auto outputs = context_->run(inputs, std::array{state_.get()});
      EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
      if (!outputs.ok()) return {};
      probabilities.push_back((*outputs)[0].as<float>()[0]);
    }
    return probabilities;
  }

  std::unique_ptr<Context> context_;
  std::unique_ptr<State> state_;
};

TEST_F(VoiceActivity, EqualsOnnxRuntimeFrameByFrame) {
  if (!fs::exists(INFERD_TEST_MODELS "/audio")) GTEST_SKIP() << "SKIPPED: no sounds";
  // What ONNX Runtime 1.30.0 gives for the same frames, its state output handed back each time.
  constexpr std::array kExpected = {
      0.4651F, 0.7384F, 0.8763F, 0.9574F, 0.9656F, 0.9954F, 0.9969F, 0.9969F, 0.9968F, 0.9968F,
      0.9969F, 0.9962F, 0.9967F, 0.9991F, 0.9996F, 0.9988F, 0.9946F, 0.9698F, 0.9925F, 0.9996F,
      0.9996F, 0.9995F, 0.9996F, 0.9987F, 0.9990F, 0.9992F, 0.9996F, 0.9997F, 0.9997F, 0.9997F,
      0.9997F, 0.9997F, 0.9989F, 0.9994F, 0.9999F, 0.9998F, 0.9998F, 0.9988F, 0.9970F, 0.9776F};
  for (int sequence = 0; sequence < 2; ++sequence) {
    const std::vector<float> got = listen("silero_test.wav", kExpected.size());
    ASSERT_EQ(got.size(), kExpected.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], kExpected[i], 1e-4F) << i;
  }
}

TEST_F(VoiceActivity, HearsWordsAndNoNoise) {
  if (!fs::exists(INFERD_TEST_MODELS "/audio")) GTEST_SKIP() << "SKIPPED: no sounds";
  for (const char* name : {"marvin_617de221_0.wav", "yes.wav", "yes_1000ms.wav", "no_1000ms.wav"}) {
    const float most = std::ranges::max(listen(name, SIZE_MAX));
    std::cout << "  " << name << ": " << most << "\n";
    EXPECT_GT(most, 0.9F) << name;
  }
  for (const char* name : {"noise_1000ms.wav", "silence_1000ms.wav"}) {
    const float most = std::ranges::max(listen(name, SIZE_MAX));
    std::cout << "  " << name << ": " << most << "\n";
    EXPECT_LT(most, 0.5F) << name;
  }
}

}  // namespace
}  // namespace inferd
