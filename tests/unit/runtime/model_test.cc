// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <new>
#include <numeric>
#include <thread>

#include "engine/ir/builder.h"
#include "engine/kernels/candidates.h"
#include "tests/unit/counting_new.h"

namespace inferd::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ir::ValueId must(Result<ir::ValueId> id) {
  EXPECT_TRUE(id.ok()) << id.status().to_string();
  return id.ok() ? *id : 0;
}

std::shared_ptr<const LoadedModel> load(ir::Graph graph, int threads = 2) {
  import::Imported imported;
  imported.format = "test";
  imported.graph = std::move(graph);
  auto model = LoadedModel::create(std::move(imported), LoadOptions{}, {},
                                   std::make_shared<ThreadPool>(threads));
  EXPECT_TRUE(model.ok()) << model.status().to_string();
  return model.ok() ? *model : nullptr;
}

TensorView view(const Shape& shape, const std::vector<float>& values) {
  return {DType::kFloat32, shape, std::as_bytes(std::span(values))};
}

std::vector<float> floats(const TensorView& view) {
  return {view.as<float>().begin(), view.as<float>().end()};
}

BinaryAttrs binary(BinaryKind kind) { return {.kind = kind, .activation = {}}; }

// y = (x + x) * 3 - x, with a reshape in the middle.
ir::Graph arithmetic(const Shape& shape) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, shape);
  const ir::ValueId doubled =
      must(b.op(OpKind::kBinary, {x, x}, binary(BinaryKind::kAdd), "double"));
  const ir::ValueId flat = must(b.reshape(doubled, {shape[0], -1}, "flat"));
  const float three = 3;
  const ir::ValueId c = b.constant_floats("three", Shape{1}, std::span(&three, 1));
  const ir::ValueId tripled =
      must(b.op(OpKind::kBinary, {flat, c}, binary(BinaryKind::kMul), "triple"));
  const ir::ValueId flat_x = must(b.reshape(x, {shape[0], -1}, "flat_x"));
  b.output(must(b.op(OpKind::kBinary, {tripled, flat_x}, binary(BinaryKind::kSub), "minus",
                     ir::OutputSpec::named("y"))));
  return graph;
}

// A convolution whose weights can be packed.
ir::Graph convolution() {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 5, 5, 3});
  std::vector<float> weights(7 * 3 * 3 * 3);
  std::iota(weights.begin(), weights.end(), -90.F);
  const ir::ValueId w = b.constant_floats("w", Shape{7, 3, 3, 3}, weights);
  Conv2dAttrs attrs;
  attrs.window.kernel_h = attrs.window.kernel_w = 3;
  b.output(must(b.op(OpKind::kConv2d, {x, w}, attrs, "conv", ir::OutputSpec::named("y"))));
  return graph;
}

TEST(LoadedModel, RunsAGraphWithSharedAndReshapedValues) {
  const auto model = load(arithmetic({2, 1, 3}));
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok()) << context.status().to_string();
  const std::vector<float> x = {1, 2, 3, -4, 5, 0.5F};
  const TensorView input = view({2, 1, 3}, x);
  const auto outputs = (*context)->run({&input, 1});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  ASSERT_EQ(outputs->size(), 1U);
  EXPECT_EQ((*outputs)[0].shape, (Shape{2, 3}));
  EXPECT_THAT(floats((*outputs)[0]), ElementsAre(5, 10, 15, -20, 25, 2.5F));
  EXPECT_THAT(x, ElementsAre(1, 2, 3, -4, 5, 0.5F)) << "inputs are borrowed, not changed";
}

TEST(LoadedModel, PassesAnInputThrough) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {2, 2});
  b.output(must(b.reshape(x, {4}, "flat")));
  b.output(x);
  const auto model = load(std::move(graph));
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok());
  const std::vector<float> values = {1, 2, 3, 4};
  const TensorView input = view({2, 2}, values);
  const auto outputs = (*context)->run({&input, 1});
  ASSERT_TRUE(outputs.ok());
  EXPECT_THAT(floats((*outputs)[0]), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(floats((*outputs)[1]), ElementsAre(1, 2, 3, 4));
}

TEST(LoadedModel, SaysWhatIsWrongWithAnInput) {
  const auto model = load(convolution());
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok());
  const std::vector<float> values(75);
  const auto message = [&](std::span<const TensorView> inputs) {
    const auto result = (*context)->run(inputs);
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    return result.status().message();
  };
  TensorView input = view({1, 5, 5, 3}, values);
  EXPECT_THAT(message({}), HasSubstr("got 0 inputs, the model takes 1"));
  input.dtype = DType::kInt32;
  EXPECT_THAT(message({&input, 1}), HasSubstr("'x' has datatype INT32, the model takes FP32"));
  input = view({1, 5, 3, 5}, values);
  EXPECT_THAT(message({&input, 1}),
              HasSubstr("'x' has shape [1,5,3,5], the model takes [?,5,5,3]"));
  input = view({1, 5, 5, 3}, values);
  input.data = input.data.first(8);
  EXPECT_THAT(message({&input, 1}), HasSubstr("'x' has 8 bytes, shape [1,5,5,3] needs 300"));
}

TEST(LoadedModel, ABatchGivesTheResultsOfItsElements) {
  const auto model = load(convolution());
  ASSERT_NE(model, nullptr);
  EXPECT_TRUE(model->info().batchable);
  EXPECT_EQ(model->info().inputs[0].shape, (Shape{kDynamicDim, 5, 5, 3}));
  auto single = model->create_context({});
  auto batched = model->create_context({});
  ASSERT_TRUE(single.ok() && batched.ok());
  std::vector<float> values(3 * 75);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 11) - 5;
  const TensorView all = view({3, 5, 5, 3}, values);
  const auto together = (*batched)->run({&all, 1});
  ASSERT_TRUE(together.ok()) << together.status().to_string();
  const std::vector<float> got = floats((*together)[0]);
  for (size_t n = 0; n < 3; ++n) {
    const std::vector<float> part(values.begin() + static_cast<long>(n * 75),
                                  values.begin() + static_cast<long>((n + 1) * 75));
    const TensorView one = view({1, 5, 5, 3}, part);
    const auto alone = (*single)->run({&one, 1});
    ASSERT_TRUE(alone.ok());
    const std::vector<float> expected = floats((*alone)[0]);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                           got.begin() + static_cast<long>(n * expected.size())));
  }
}

TEST(LoadedModel, PlansOfSeveralShapesShareWeightsAndAreCached) {
  const auto model = load(convolution());
  ASSERT_NE(model, nullptr);
  const std::vector<Shape> one = {Shape{1, 5, 5, 3}};
  const std::vector<Shape> four = {Shape{4, 5, 5, 3}};
  const auto first = model->plan_for(one);
  const auto second = model->plan_for(four);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->steps[0].packed, (*second)->steps[0].packed);
  EXPECT_EQ(model->plan_for(one).value(), *first);
}

// x[?,K] times a constant [K,K], whose bytes count how often they are made.
ir::Graph counted_product(int64_t depth, std::shared_ptr<std::atomic<int>> made) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, depth});
  const auto bytes = static_cast<size_t>(depth * depth) * sizeof(float);
  const ir::ValueId w = b.constant("w", DType::kFloat32, {depth, depth},
                                   Constant::made(bytes, [made](std::span<std::byte> out) {
                                     ++*made;
                                     auto* const values = reinterpret_cast<float*>(out.data());
                                     for (size_t i = 0; i < out.size() / sizeof(float); ++i) {
                                       values[i] = static_cast<float>(i % 7);
                                     }
                                   }));
  b.output(must(b.op(OpKind::kFullyConnected, {x, w}, FullyConnectedAttrs{}, "product",
                     ir::OutputSpec::named("y"))));
  return graph;
}

// Sanitizers keep memory of their own for each byte, and freed memory for a while.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kResidentMemoryTells = false;
#else
constexpr bool kResidentMemoryTells = true;
#endif

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(LoadedModel, PlanningForAnotherShapePacksNothingAgain) {
  const auto made = std::make_shared<std::atomic<int>>(0);
  const auto model = load(counted_product(128, made));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(made->load(), 1);
  const int64_t packed = model->packed_bytes();
  EXPECT_GE(packed, 128 * 128 * 4);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok());
  for (int64_t batch = 1; batch <= 40; ++batch) {
    ASSERT_TRUE((*context)->prepare(std::array{Shape{batch, 128}}).ok());
  }
  EXPECT_EQ(made->load(), 1) << "weights were read again";
  EXPECT_EQ(model->packed_bytes(), packed);
}

// What a client can do that asks for one shape after the other.
TEST(LoadedModel, KeepsFewPlansHoweverManyShapesAreAskedFor) {
  const auto model = load(counted_product(32, std::make_shared<std::atomic<int>>(0)));
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok());
  constexpr int64_t kShapes = 10'000;
  constexpr int64_t kMostPlans = 16;
  std::vector<std::weak_ptr<const plan::Plan>> plans;
  int64_t settled = 0;
  for (int64_t batch = 1; batch <= kShapes; ++batch) {
    // The context's own memory grows with the batch, which is not what this is about.
    const auto plan = model->plan_for(std::array{Shape{batch, 32}});
    ASSERT_TRUE(plan.ok()) << plan.status().to_string();
    plans.push_back(*plan);
    if (batch == kShapes / 10) settled = resident_bytes();
  }
  const auto alive =
      std::count_if(plans.begin(), plans.end(), [](const auto& plan) { return !plan.expired(); });
  EXPECT_LE(alive, kMostPlans + 1) << "one more for the context's";
  if (kResidentMemoryTells) {
    EXPECT_LE(resident_bytes() - settled, int64_t{4} << 20);
  }
}

// Memory is there once while the model is, and goes back to the system with it.
TEST(LoadedModel, TakesItsWeightsOnceAndGivesThemBack) {
  if (!kResidentMemoryTells) GTEST_SKIP() << "a sanitizer has memory of its own";
  constexpr int64_t kDepth = 2048;
  constexpr int64_t kWeights = kDepth * kDepth * 4;  // 16 MiB
  constexpr int64_t kSlack = int64_t{2} << 20;
  // A small one first: the program's own pages become resident too, once they run.
  ASSERT_NE(load(counted_product(16, std::make_shared<std::atomic<int>>(0))), nullptr);
  const int64_t before = resident_bytes();
  {
    const auto model = load(counted_product(kDepth, std::make_shared<std::atomic<int>>(0)));
    ASSERT_NE(model, nullptr);
    std::vector<std::unique_ptr<Context>> contexts;
    for (int64_t batch = 1; batch <= 4; ++batch) {
      auto context = model->create_context({});
      ASSERT_TRUE(context.ok());
      ASSERT_TRUE((*context)->prepare(std::array{Shape{batch, kDepth}}).ok());
      contexts.push_back(std::move(*context));
    }
    const int64_t loaded = resident_bytes() - before;
    EXPECT_GE(loaded, kWeights);
    EXPECT_LE(loaded, kWeights + kSlack);
    EXPECT_LE(contexts[3]->memory().weights_bytes, kWeights + (int64_t{64} << 10));
  }
  EXPECT_LE(resident_bytes() - before, kSlack);
}

TEST(LoadedModel, RunAllocatesNothing) {
  const auto model = load(convolution());
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({});
  ASSERT_TRUE(context.ok());
  const std::vector<float> values(75, 0.5F);
  const TensorView input = view({1, 5, 5, 3}, values);
  ASSERT_TRUE((*context)->run({&input, 1}).ok());
  const uint64_t before = g_allocations.load();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE((*context)->run({&input, 1}).ok());
  EXPECT_EQ(g_allocations.load(), before);
}

TEST(LoadedModel, ContextsRunAtOnce) {
  const auto model = load(convolution(), 3);
  ASSERT_NE(model, nullptr);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto context = model->create_context({});
      const std::vector<float> values(75, static_cast<float>(t));
      const TensorView input = view({1, 5, 5, 3}, values);
      std::vector<float> first;
      for (int i = 0; i < 50; ++i) {
        const auto outputs = (*context)->run({&input, 1});
        if (!outputs.ok()) {
          ++wrong;
          continue;
        }
        if (i == 0) first = floats((*outputs)[0]);
        if (floats((*outputs)[0]) != first) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(LoadedModel, ProfileNamesEveryStepAndItsKernel) {
  const auto model = load(convolution());
  ASSERT_NE(model, nullptr);
  auto context = model->create_context({.threads = 1, .profile = true});
  ASSERT_TRUE(context.ok());
  const std::vector<float> values(75, 1.F);
  const TensorView input = view({1, 5, 5, 3}, values);
  ASSERT_TRUE((*context)->run({&input, 1}).ok());
  ASSERT_EQ((*context)->profile().size(), 1U);
  EXPECT_EQ((*context)->profile()[0].op, "conv2d");
  EXPECT_THAT((*context)->profile()[0].kernel, HasSubstr("conv2d"));
  EXPECT_EQ(model->info().macs, 3 * 3 * 7 * 27);
}

TEST(LoadedModel, ArenaOverTheLimitIsRefused) {
  import::Imported imported;
  imported.graph = arithmetic({64, 64, 64});
  LoadOptions options;
  options.limits.max_arena_bytes = 1024;
  const auto model =
      LoadedModel::create(std::move(imported), options, {}, std::make_shared<ThreadPool>(1));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(model.status().message(), HasSubstr("more than the limit of 1024"));
}

// Kernels of half precision run where they are allowed, and nowhere else.
TEST(HalfPrecision, RunsOnlyWhereItIsAllowed) {
  for (const bool allowed : {false, true}) {
    import::Imported imported;
    ir::Builder b(imported.graph);
    const ir::ValueId x = b.input("x", DType::kFloat32, {1, 16, 16, 64});
    const std::vector<float> weights(32 * 64, 1.F / 3);
    const ir::ValueId w = b.constant_floats("w", {32, 1, 1, 64}, weights);
    b.output(must(b.op(OpKind::kConv2d, {x, w}, Conv2dAttrs{}, "conv")));
    plan::PlanOptions options;
    options.allow_float16 = allowed;
    auto model = LoadedModel::create(std::move(imported), LoadOptions{}, options,
                                     std::make_shared<ThreadPool>(1));
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    auto context = (*model)->create_context({.threads = 1, .profile = true});
    ASSERT_TRUE(context.ok());
    const std::vector<float> pixels(16 * 16 * 64, 1.F);
    const TensorView input = view({1, 16, 16, 64}, pixels);
    const auto outputs = (*context)->run({&input, 1});
    ASSERT_TRUE(outputs.ok());
    const bool half = allowed && kernels::has_half_precision();
    EXPECT_EQ((*context)->profile()[0].kernel.find("_half_") != std::string::npos, half)
        << (*context)->profile()[0].kernel;
    // A third is off by 1/6144 of itself in half precision.
    EXPECT_NEAR((*outputs)[0].as<float>()[0], 64.F / 3, half ? 0.02F : 1e-5F);
  }
}

}  // namespace
}  // namespace inferd::runtime
