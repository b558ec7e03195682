// SPDX-License-Identifier: Apache-2.0
//
// For tests that take every real model there is.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

namespace inferd {

// Paths of all models in INFERD_TEST_MODELS; none where there are none.
inline std::vector<std::string> every_model() {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  for (const char* folder : {"tflite", "onnx"}) {
    std::error_code missing;
    for (const auto& entry :
         fs::directory_iterator(fs::path(INFERD_TEST_MODELS) / folder, missing)) {
      const std::string extension = entry.path().extension();
      if (extension == ".tflite" || extension == ".onnx") paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// GoogleTest's name for one of them.
inline std::string model_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = std::filesystem::path(info.param).filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace inferd
