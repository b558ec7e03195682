// SPDX-License-Identifier: Apache-2.0
//
// Each single allocation of a load, of a context and of a run fails once: an error, and nothing is
// broken by it.
#include "engine/runtime/out_of_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/export/onnx/onnx.h"
#include "engine/ir/builder.h"
#include "inferd/engine/engine.h"
#include "tests/unit/allocations.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

ir::ValueId must(Result<ir::ValueId> id) {
  EXPECT_TRUE(id.ok()) << id.status().to_string();
  return id.ok() ? *id : 0;
}

// A convolution and a fully connected layer, of any batch.
ir::Graph network() {
  ir::Graph graph;
  ir::Builder b(graph);
  std::vector<float> weights(8 * 3 * 3 * 4);
  std::iota(weights.begin(), weights.end(), -100.F);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 8, 8, 4});
  Conv2dAttrs conv;
  conv.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2};
  ir::ValueId y =
      must(b.op(OpKind::kConv2d, {x, b.constant_floats("w", {8, 3, 3, 4}, weights)}, conv, "conv"));
  y = must(b.reshape(y, {1, 72}, "flat"));
  const ir::ValueId dense = b.constant_floats("dense", {5, 72}, std::vector<float>(360, 0.25F));
  y = must(b.op(OpKind::kFullyConnected, {y, dense}, FullyConnectedAttrs{}, "dense",
                ir::OutputSpec::named("y")));
  b.output(y);
  return graph;
}

Status status_of(const Status& status) { return status; }
template <class T>
Status status_of(const Result<T>& result) {
  return result.status();
}

// Calls `work` until none of its allocations fails, and gives what it gave then.
template <class Work>
auto with_each_allocation_failing(const Work& work) -> decltype(work()) {
  for (int64_t allocation = 0;; ++allocation) {
    t_until_failure = allocation;
    auto done = work();
    const bool failed = t_until_failure < 0;
    t_until_failure = -1;
    if (!failed) {
      EXPECT_GT(allocation, 0) << "nothing was allocated";
      return done;
    }
    if (done.ok()) continue;  // it can do without, as std::stable_sort
    const Status status = status_of(done);
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.to_string();
    EXPECT_THAT(status.message(), HasSubstr("there is not enough memory"));
  }
}

class OutOfMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status written = exporter::write_onnx(network(), onnx_);
    ASSERT_TRUE(written.ok()) << written.to_string();
    EngineOptions options;
    options.threads = 1;
    auto engine = Engine::create(options);
    ASSERT_TRUE(engine.ok());
    engine_ = *engine;
    // What libraries make once for a process.
    ASSERT_TRUE(engine_->compile(onnx_, ifd_).ok());
    ASSERT_TRUE(engine_->load(ifd_).ok());
  }
  const TemporaryFolder folder_;
  const std::string onnx_ = folder_.file("a.onnx"), ifd_ = folder_.file("a.ifd");
  std::shared_ptr<Engine> engine_;
};

TEST_F(OutOfMemory, LoadsFailAndNothingElse) {
  for (const std::string& path : {onnx_, ifd_}) {
    const auto model = with_each_allocation_failing([&] { return engine_->load(path); });
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    const auto context = with_each_allocation_failing([&] { return (*model)->create_context(); });
    ASSERT_TRUE(context.ok()) << context.status().to_string();
    const auto info = with_each_allocation_failing([&] { return engine_->inspect(path); });
    ASSERT_TRUE(info.ok()) << info.status().to_string();
  }
  const std::string again = folder_.file("again.ifd");
  const Status compiled =
      with_each_allocation_failing([&] { return engine_->compile(onnx_, again); });
  EXPECT_TRUE(compiled.ok()) << compiled.to_string();
  EXPECT_TRUE(engine_->load(again).ok());
}

TEST_F(OutOfMemory, AContextGoesOnAfterRunsThatFailed) {
  const auto model = engine_->load(onnx_);
  ASSERT_TRUE(model.ok());
  const auto context = (*model)->create_context();
  const auto other = (*model)->create_context();
  ASSERT_TRUE(context.ok() && other.ok());
  std::vector<float> x(size_t{8} * 8 * 8 * 4);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 8.F;
  for (const int64_t batch : {1, 3, 2, 8}) {
    const size_t count = static_cast<size_t>(batch) * 8 * 8 * 4;
    const TensorView view{
        DType::kFloat32, {batch, 8, 8, 4}, std::as_bytes(std::span(x).first(count))};
    const auto run = [&](Context& c) { return c.run(std::span(&view, 1)); };
    const auto expected = run(**other);
    ASSERT_TRUE(expected.ok()) << expected.status().to_string();
    // Their plans are the model's; here they are made anew.
    (*model)->forget_plans();
    const auto outputs =
        batch == 1 ? run(**context) : with_each_allocation_failing([&] { return run(**context); });
    ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
    EXPECT_THAT((*outputs)[0].as<float>(), ElementsAreArray((*expected)[0].as<float>()));
  }
}

}  // namespace
}  // namespace inferd
