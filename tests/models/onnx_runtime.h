// SPDX-License-Identifier: Apache-2.0
//
// Comparing with ONNX Runtime while a test runs, where npm brought it (INFERD_TEST_CACHE).
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include "tests/models/compare.h"

namespace inferd {

inline bool onnx_runtime_is_here() {
  return std::filesystem::exists(INFERD_TEST_CACHE "/node_modules/onnxruntime-node");
}

// Power of what is expected over that of the difference.
inline double decibels(std::span<const float> expected, std::span<const float> got) {
  double signal = 0;
  double noise = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    signal += std::pow(double{expected[i]}, 2);
    noise += std::pow(double{expected[i]} - double{got[i]}, 2);
  }
  return 10 * std::log10(signal / std::max(noise, 1e-30));
}

// Both runtimes on one input; float32 outputs. `recorded`: a folder for what ONNX Runtime gives.
inline void expect_onnx_runtime_agrees(const std::filesystem::path& model,
                                       const std::filesystem::path& recorded, double min_db) {
  const std::string command = "node '" INFERD_SOURCE_DIR
                              "/tests/models/record_onnx_reference.mjs' '" INFERD_TEST_CACHE
                              "/node_modules' '" +
                              model.string() + "' '" + recorded.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << "ONNX Runtime does not run " << model;
  const auto input = media::read_npy(recorded / "input_0.npy");
  ASSERT_TRUE(input.ok());
  const auto outputs = run_model(model, {*input});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  for (size_t i = 0; i < outputs->size(); ++i) {
    const auto expected = media::read_npy(recorded / ("output_" + std::to_string(i) + ".npy"));
    ASSERT_TRUE(expected.ok());
    const auto numbers = expected->view().as<float>();
    const auto got = (*outputs)[i].view().as<float>();
    ASSERT_EQ(got.size(), numbers.size());
    EXPECT_GE(decibels(numbers, got), min_db) << "output " << i;
  }
}

}  // namespace inferd
