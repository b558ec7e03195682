// SPDX-License-Identifier: Apache-2.0
#include "package/name.h"

#include <gtest/gtest.h>

#include <string>

namespace inferd::package {
namespace {

TEST(ModelName, IsOnePartOfAPath) {
  for (const char* name : {"a", "detector", "MobileNet-v2_1.0.tflite", "7", "-", "a..b"}) {
    EXPECT_TRUE(is_model_name(name)) << name;
  }
  for (const char* name :
       {"", ".", "..", ".git", "a/b", "/a", "a b", "a\\b", "a%2fb", "a\n", "h\xc3\xa4user"}) {
    EXPECT_FALSE(is_model_name(name)) << name;
  }
  EXPECT_FALSE(is_model_name(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_model_name(std::string(kMaxModelName, 'a')));
  EXPECT_FALSE(is_model_name(std::string(kMaxModelName + 1, 'a')));
}

TEST(PackagePath, StaysInTheFolder) {
  for (const char* path :
       {"model.onnx", "selftest/cat/inputs/x.npy", "a/manifest.json", "manifest.jsonl"}) {
    EXPECT_TRUE(is_package_path(path)) << path;
  }
  for (const char* path :
       {"", "/", "/model.onnx", "a/", "a//b", "..", "../model.onnx", "a/../b", "a/./b", ".hidden",
        "a/.hidden", "a/b/c/d/e", "a b", "manifest.json", "manifest.sig"}) {
    EXPECT_FALSE(is_package_path(path)) << path;
  }
  EXPECT_TRUE(is_package_path("a/" + std::string(kMaxPackagePath - 2, 'b')));
  EXPECT_FALSE(is_package_path("a/" + std::string(kMaxPackagePath - 1, 'b')));
}

}  // namespace
}  // namespace inferd::package
