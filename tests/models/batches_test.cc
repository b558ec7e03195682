// SPDX-License-Identifier: Apache-2.0
//
// Real models that take batches: three elements together come out as each of them alone, integers
// bit for bit and floats within rounding; where the model has states, over some steps of three
// sequences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "inferd/engine/engine.h"
#include "media/npy.h"
#include "tests/models/every_model.h"

namespace inferd {
namespace {

constexpr int64_t kBatch = 3;

// Floats from -1 to 1, or any bytes; another tensor for each seed.
media::Array noise(const TensorInfo& info, uint32_t seed) {
  std::mt19937 random(seed);
  media::Array array{info.dtype, info.shape, {}};
  array.shape[0] = 1;
  const auto count = static_cast<size_t>(array.shape.elements());
  if (info.dtype == DType::kFloat32) {
    std::vector<float> values(count);
    for (float& v : values) v = static_cast<float>(random() % 2001) / 1000.F - 1.F;
    const auto bytes = std::as_bytes(std::span(values));
    array.data.assign(bytes.begin(), bytes.end());
  } else {
    array.data.resize(count * dtype_size(info.dtype));
    if (dtype_size(info.dtype) == 1) {
      for (std::byte& b : array.data) b = static_cast<std::byte>(random() % 256);
    }
  }
  return array;
}

media::Array joined(std::span<const media::Array> elements) {
  media::Array all = elements[0];
  for (const media::Array& element : elements.subspan(1)) {
    all.data.insert(all.data.end(), element.data.begin(), element.data.end());
  }
  all.shape[0] = static_cast<int64_t>(elements.size());
  return all;
}

// `alone` and the part of `together` that belongs to element `at`.
void expect_part(const TensorView& alone, const TensorView& together, int64_t at) {
  ASSERT_EQ(together.dtype, alone.dtype);
  ASSERT_EQ(together.data.size(), alone.data.size() * kBatch);
  TensorView part = alone;
  part.data = together.data.subspan(alone.data.size() * static_cast<size_t>(at), alone.data.size());
  if (alone.dtype != DType::kFloat32) {
    EXPECT_TRUE(std::ranges::equal(part.data, alone.data)) << "element " << at;
    return;
  }
  const auto a = alone.as<float>();
  const auto b = part.as<float>();
  float largest = 1;
  float worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    largest = std::max(largest, std::abs(a[i]));
    worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  EXPECT_LE(worst, 1e-4F * largest) << "element " << at;
}

// Noise for each input of each element.
std::vector<std::vector<media::Array>> noise_for(const Model& model, uint32_t seed) {
  std::vector<std::vector<media::Array>> elements(static_cast<size_t>(kBatch));
  for (const TensorInfo& input : model.inputs()) {
    for (auto& element : elements) element.push_back(noise(input, seed++));
  }
  return elements;
}

std::vector<media::Array> together_of(std::span<const std::vector<media::Array>> elements) {
  std::vector<media::Array> batch;
  for (size_t input = 0; input < elements[0].size(); ++input) {
    std::vector<media::Array> of_input;
    for (const auto& element : elements) of_input.push_back(element[input]);
    batch.push_back(joined(of_input));
  }
  return batch;
}

// A context, and what it remembers of each element; nothing where the model has no states.
struct Runs {
  explicit Runs(const Model& model) : context(*model.create_context()) {
    if (model.info().states.empty()) return;
    for (int64_t i = 0; i < kBatch; ++i) {
      owned.push_back(model.create_state());
      states.push_back(owned.back().get());
    }
  }
  Result<std::span<const TensorView>> run(const std::vector<media::Array>& inputs,
                                          std::span<State* const> of) {
    std::vector<TensorView> views;
    for (const media::Array& input : inputs) views.push_back(input.view());
    return context->run(views, of);
  }

  std::unique_ptr<Context> context;
  std::vector<std::unique_ptr<State>> owned;
  std::vector<State*> states;
};

class Batches : public ::testing::TestWithParam<std::string> {};

TEST_P(Batches, AreAsEachAlone) {
  const auto engine = *Engine::create({});
  const auto model = engine->load(GetParam());
  if (!model.ok()) GTEST_SKIP() << "SKIPPED: does not load: " << model.status().to_string();
  if (!(*model)->info().batchable) GTEST_SKIP() << "takes one at a time";

  Runs many(**model);
  Runs one(**model);
  const uint32_t steps = many.states.empty() ? 1 : 4;
  for (uint32_t step = 0; step < steps; ++step) {
    const auto elements = noise_for(**model, 100 * step);
    const auto together = many.run(together_of(elements), many.states);
    ASSERT_TRUE(together.ok()) << together.status().to_string();
    for (size_t i = 0; i < elements.size(); ++i) {
      const std::span its(one.states);
      const auto alone = one.run(elements[i], its.empty() ? its : its.subspan(i, 1));
      ASSERT_TRUE(alone.ok()) << alone.status().to_string();
      for (size_t o = 0; o < alone->size(); ++o) {
        SCOPED_TRACE((*model)->outputs()[o].name + " in step " + std::to_string(step));
        expect_part((*alone)[o], (*together)[o], static_cast<int64_t>(i));
      }
    }
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Batches);
INSTANTIATE_TEST_SUITE_P(All, Batches, ::testing::ValuesIn(every_model()), model_test_name);

}  // namespace
}  // namespace inferd
