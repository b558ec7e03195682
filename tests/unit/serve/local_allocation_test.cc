// SPDX-License-Identifier: Apache-2.0
//
// A request over the local socket allocates nothing in the daemon: every operator new of the
// process is counted.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "clients/c/inferd_local.h"
#include "daemon/serve/local/local_server.h"
#include "tests/unit/counting_new.h"
#include "tests/unit/fakes.h"
#include "tests/unit/no_pipelines.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

// The sum of its input, without allocating anything.
class Sum final : public Model {
 public:
  explicit Sum(bool value_inputs) {
    info_.inputs = {{"x", DType::kFloat32, {4}, {}}};
    info_.outputs = {{"sum", DType::kFloat32, {1}, {}}};
    info_.value_inputs = {value_inputs};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Run>());
  }

 private:
  class Run final : public Context {
   public:
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const>) override {
      sum_ = 0;
      for (const float x : inputs[0].as<float>()) sum_ += x;
      view_.data = std::as_bytes(std::span(&sum_, 1));
      return std::span<const TensorView>(&view_, 1);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    float sum_ = 0;
    TensorView view_{DType::kFloat32, {1}, {}};
  };
  ModelInfo info_;
};

// Runs 100 requests and says how often anything was allocated.
uint64_t allocations(bool value_inputs, bool is_inline) {
  const TemporaryFolder folder;
  FakeRepository repository;
  repository.add("sum", std::make_shared<Sum>(value_inputs));
  NoPipelines pipelines;
  config::LocalListener listener;
  listener.path = folder.file("local.sock");
  const auto server = start_local(listener, repository, pipelines, "test");
  EXPECT_TRUE(server.ok()) << server.status().to_string();

  inferd_local* daemon = nullptr;
  inferd_error error;
  const inferd_model* model = nullptr;
  inferd_buffer memory;
  EXPECT_EQ(inferd_local_connect(listener.path.c_str(), &daemon, &error), 0) << error.message;
  EXPECT_EQ(inferd_local_bind(daemon, "sum", 0, &model, &error), 0) << error.message;
  EXPECT_EQ(inferd_local_map(daemon, 4096, &memory, &error), 0) << error.message;
  auto* const x = static_cast<float*>(memory.data);
  inferd_place input{}, output{};
  input.buffer = output.buffer = memory.number;
  input.bytes = 16;
  input.data = is_inline ? x : nullptr;
  output.offset = 64;
  output.bytes = 4;
  output.is_inline = is_inline ? 1 : 0;
  inferd_request request{};
  request.model = model;
  request.inputs = &input;
  request.outputs = &output;
  const auto run = [&](float number) {
    std::fill_n(x, 4, number);
    inferd_answer answer;
    ASSERT_EQ(inferd_local_infer(daemon, &request, 10'000, &answer, &error), 0) << error.message;
    float sum = 0;
    std::memcpy(&sum, is_inline ? answer.outputs[0].data : x + 16, sizeof sum);
    ASSERT_EQ(sum, 4 * number);
  };
  for (int i = 0; i < 50; ++i) run(static_cast<float>(i));
  const uint64_t before = g_allocations;
  for (int i = 0; i < 100; ++i) run(static_cast<float>(i));
  const uint64_t count = g_allocations - before;
  inferd_local_close(daemon);
  return count;
}

TEST(LocalAllocations, ARequestAllocatesNothing) { EXPECT_EQ(allocations(true, false), 0U); }
TEST(LocalAllocations, NorDoesOneWhoseInputsAreCopied) { EXPECT_EQ(allocations(false, false), 0U); }
TEST(LocalAllocations, NorOneWithinAFrame) { EXPECT_EQ(allocations(true, true), 0U); }

}  // namespace
}  // namespace inferd::serve
