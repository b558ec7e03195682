// SPDX-License-Identifier: Apache-2.0
//
// Real models compiled and loaded again: the same numbers bit for bit, whichever weights are in the
// file, and no damage to the file goes unnoticed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "inferd/engine/engine.h"
#include "tests/models/every_model.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

// Numbers that every element type takes: bytes for 8-bit types, floats of about one.
std::vector<std::byte> random_tensor(DType dtype, size_t bytes) {
  std::mt19937 random(7);
  std::vector<std::byte> data(bytes);
  if (dtype == DType::kFloat32) {
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
      const float value = static_cast<float>(random() % 2001) / 1000.F - 1.F;
      std::copy_n(reinterpret_cast<const std::byte*>(&value), 4, &data[i]);
    }
  } else if (dtype_size(dtype) == 1) {
    for (std::byte& b : data) b = static_cast<std::byte>(random() & 0xff);
  }
  return data;
}

using Bytes = std::vector<std::byte>;

Result<std::vector<Bytes>> run(Engine& engine, const std::string& path, int64_t batch = 1) {
  INFERD_ASSIGN_OR_RETURN(const auto model, engine.load(path));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  std::vector<Bytes> buffers;
  std::vector<TensorView> views;
  for (const TensorInfo& input : model->inputs()) {
    Shape shape = input.shape;
    if (model->info().batchable) shape[0] = batch;
    if (!shape.is_static()) return failed_precondition("its inputs have open sizes");
    buffers.push_back(random_tensor(
        input.dtype, static_cast<size_t>(shape.elements()) * dtype_size(input.dtype)));
    views.push_back({input.dtype, shape, buffers.back()});
  }
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context->run(views));
  std::vector<Bytes> copies;
  for (const TensorView& output : outputs)
    copies.emplace_back(output.data.begin(), output.data.end());
  return copies;
}

class CompiledModels : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.threads = 1;
    engine_ = *Engine::create(options);
    const auto expected = run(*engine_, GetParam());
    if (!expected.ok()) GTEST_SKIP() << "SKIPPED: does not run: " << expected.status().to_string();
    expected_ = *expected;
  }

  std::string compiled(CompiledWeights weights) {
    const std::string path = folder_.file("model.ifd");
    const Status status = engine_->compile(GetParam(), path, {.weights = weights, .isa = ""});
    EXPECT_TRUE(status.ok()) << status.to_string();
    return path;
  }
  void expect_same(Engine& engine, const std::string& path) {
    const auto outputs = run(engine, path);
    ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
    EXPECT_TRUE(*outputs == expected_);
  }

  const TemporaryFolder folder_;
  std::shared_ptr<Engine> engine_;
  std::vector<Bytes> expected_;
};

TEST_P(CompiledModels, GiveTheSameNumbers) {
  for (const CompiledWeights weights : {CompiledWeights::kBoth, CompiledWeights::kRaw}) {
    expect_same(*engine_, compiled(weights));
  }
}

TEST_P(CompiledModels, GiveTheSameNumbersWithoutRawWeights) {
  const std::string path = folder_.file("model.ifd");
  const Status status =
      engine_->compile(GetParam(), path, {.weights = CompiledWeights::kPacked, .isa = ""});
  if (status.code() == StatusCode::kFailedPrecondition) GTEST_SKIP() << status.message();
  ASSERT_TRUE(status.ok()) << status.to_string();
  expect_same(*engine_, path);
}

TEST_P(CompiledModels, AreDescribedAsTheyWere) {
  const ModelInfo before = *engine_->inspect(GetParam());
  const ModelInfo after = *engine_->inspect(compiled(CompiledWeights::kBoth));
  EXPECT_EQ(after.format, "ifd");
  EXPECT_EQ(after.batchable, before.batchable);
  EXPECT_EQ(after.macs, before.macs);
  EXPECT_EQ(after.weights_bytes, before.weights_bytes);
  EXPECT_EQ(after.conversions.size(), before.conversions.size());
  ASSERT_EQ(after.inputs.size(), before.inputs.size());
  for (size_t i = 0; i < before.inputs.size(); ++i) {
    EXPECT_EQ(after.inputs[i].name, before.inputs[i].name);
    EXPECT_EQ(after.inputs[i].shape, before.inputs[i].shape);
    EXPECT_EQ(after.inputs[i].quantization, before.inputs[i].quantization);
  }
  ASSERT_EQ(after.outputs.size(), before.outputs.size());
  for (size_t i = 0; i < before.outputs.size(); ++i) {
    EXPECT_EQ(after.outputs[i].name, before.outputs[i].name);
    EXPECT_EQ(after.outputs[i].shape, before.outputs[i].shape);
  }
}

TEST_P(CompiledModels, TakeOtherBatches) {
  if (!engine_->inspect(GetParam())->batchable) GTEST_SKIP() << "takes one at a time";
  const std::string path = compiled(CompiledWeights::kBoth);
  const auto expected = run(*engine_, GetParam(), 3);
  const auto outputs = run(*engine_, path, 3);
  ASSERT_TRUE(expected.ok()) << expected.status().to_string();
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  EXPECT_TRUE(*outputs == *expected);
}

TEST_P(CompiledModels, ArePackedAnewForOtherKernels) {
  const std::string path = compiled(CompiledWeights::kBoth);
  EngineOptions options;
  options.threads = 1;
  options.prefer_kernels = {"avx2", "neon", "portable"};
  const auto other = *Engine::create(options);
  const auto expected = run(*other, GetParam());
  ASSERT_TRUE(expected.ok());
  const auto outputs = run(*other, path);
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  EXPECT_TRUE(*outputs == *expected);
}

// A file is refused, or what is damaged is nothing that is read here: gaps, and raw weights of
// operators that were packed.
TEST_P(CompiledModels, AreRefusedWhenDamaged) {
  const std::string path = compiled(CompiledWeights::kBoth);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<std::streamoff>(fs::file_size(path));
  std::mt19937_64 random(3);
  int refused = 0;
  constexpr int kFlips = 24;
  for (int i = 0; i < kFlips; ++i) {
    // The header, the graph section at the end, and anywhere.
    const auto anywhere = static_cast<std::streamoff>(random() % static_cast<uint64_t>(size));
    const std::streamoff at = i % 3 == 0 ? anywhere % 128
                              : i % 3 == 1
                                  ? size - 1 - anywhere % std::min<std::streamoff>(size, 2000)
                                  : anywhere;
    file.seekg(at);
    const char before = static_cast<char>(file.get());
    const auto put = [&](char byte) {
      file.seekp(at);
      file.put(byte);
      file.flush();
    };
    put(static_cast<char>(before ^ (1 << random() % 8)));
    const auto outputs = run(*engine_, path);
    if (outputs.ok()) {
      EXPECT_TRUE(*outputs == expected_) << "byte " << at;
    } else {
      EXPECT_FALSE(outputs.status().message().empty()) << "byte " << at;
      ++refused;
    }
    put(before);
  }
  EXPECT_GE(refused, kFlips * 2 / 3);
  for (const std::streamoff rest : {size - 1, size / 2, std::streamoff{127}, std::streamoff{9}}) {
    fs::resize_file(path, static_cast<uintmax_t>(rest));
    EXPECT_FALSE(engine_->load(path).ok()) << rest;
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CompiledModels);
INSTANTIATE_TEST_SUITE_P(All, CompiledModels, ::testing::ValuesIn(every_model()), model_test_name);

}  // namespace
}  // namespace inferd
