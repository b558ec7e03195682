// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/declared.h"

#include <gtest/gtest.h>

namespace inferd::models {
namespace {

using config::DeclaredModel;

ModelInfo model() {
  ModelInfo info;
  info.inputs = {{"a", DType::kFloat32, {kDynamicDim, 3}, {}}, {"b", DType::kInt8, {1}, {}}};
  info.outputs = {{"y", DType::kUInt8, {}, {}}};
  return info;
}

std::string message(DeclaredModel declared) {
  for (auto* tensors : {&declared.inputs, &declared.outputs}) {
    for (config::TensorConfig& tensor : *tensors) tensor.mark = {"f", 1, 2};
  }
  declared.mark = {"f", 1, 1};
  return check_declared(declared, model()).message();
}

TEST(Declared, WhatTheModelHasIsRight) {
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.inputs = {{"a", "FP32", {3}}, {"b", "INT8", {}}}}), "");
  EXPECT_EQ(message({.inputs = {{"b", "", {1}}, {"a", "FP32", {-1, 3}}}, .dims_have_batch = true}),
            "");
  EXPECT_EQ(message({.inputs = {{"a", "FP32", {7, 3}}, {"b", "INT8", {1}}},
                     .outputs = {{"y", "UINT8", {}}},
                     .dims_have_batch = true}),
            "");
}

TEST(Declared, WhatItHasNotIsAnError) {
  EXPECT_EQ(message({.inputs = {{"c", "", {}}}}),
            "f:1:2: input 'c' is not the model's; it has 'a', 'b'");
  EXPECT_EQ(message({.outputs = {{"a", "", {}}}}),
            "f:1:2: output 'a' is not the model's; it has 'y'");
  EXPECT_EQ(message({.inputs = {{"a", "FP16", {}}}}),
            "f:1:2: input 'a' is declared as FP16, the model's is FP32");
  EXPECT_EQ(message({.inputs = {{"a", "", {4}}}}),
            "f:1:2: input 'a' is declared with dims [4], the model's are [3] beside that of the "
            "batch");
  EXPECT_EQ(message({.inputs = {{"a", "", {-1, -1}}}, .dims_have_batch = true}),
            "f:1:2: input 'a' is declared with dims [?,?], the model's are [?,3]")
      << "a fixed size is not any size";
  EXPECT_EQ(message({.inputs = {{"a", "", {0, 3}}}, .dims_have_batch = true}),
            "f:1:2: input 'a' is declared with dims [0,3], the model's are [?,3]");
  EXPECT_EQ(message({.outputs = {{"y", "", {}}}}),
            "f:1:2: output 'y' has no dimension for batches; set max_batch_size to 0");
  EXPECT_EQ(message({.inputs = {{"a", "", {3}}}}), "f: input 'b' of the model is not declared");
}

}  // namespace
}  // namespace inferd::models
