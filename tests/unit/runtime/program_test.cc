// SPDX-License-Identifier: Apache-2.0
//
// Models that run in stages, and models with states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/ir/builder.h"
#include "engine/runtime/model.h"

namespace inferd::runtime {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

Result<std::shared_ptr<const LoadedModel>> load(ir::Graph graph, const LoadOptions& options = {}) {
  const Status verified = ir::verify(graph);
  EXPECT_TRUE(verified.ok()) << verified.to_string();
  import::Imported imported;
  imported.graph = std::move(graph);
  return LoadedModel::create(std::move(imported), options, {}, std::make_shared<ThreadPool>(2));
}

template <typename T>
TensorView view(DType dtype, const Shape& shape, const std::vector<T>& values) {
  return {dtype, shape, std::as_bytes(std::span(values))};
}

std::vector<float> floats(const TensorView& view) {
  const auto values = view.as<float>();
  return {values.begin(), values.end()};
}

// y = the first n rows of 2 * x, summed; n is an input.
ir::Graph trimmed() {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {4, 2});
  const ir::ValueId n = b.input("n", DType::kInt64, {1});
  const ir::ValueId twice =
      *b.op(OpKind::kBinary, {x, x}, BinaryAttrs{BinaryKind::kAdd, {}}, "twice");
  const ir::ValueId first = *b.op(OpKind::kTrim, {twice, n}, TrimAttrs{0}, "trim");
  b.output(*b.op(OpKind::kReduce, {first},
                 ReduceAttrs{.kind = ReduceKind::kSum, .axes = {0}, .keep_dims = false}, "sum",
                 ir::OutputSpec::named("y")));
  return graph;
}

TEST(Program, PlansTheRestWhenANumberIsKnown) {
  const auto model = load(trimmed());
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context({});
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto run = [&](int64_t count) {
    const std::vector<int64_t> n = {count};
    const auto y =
        context->run(std::vector{view(DType::kFloat32, {4, 2}, x), view(DType::kInt64, {1}, n)});
    EXPECT_TRUE(y.ok()) << y.status().to_string();
    return floats((*y)[0]);
  };
  EXPECT_THAT(run(1), ElementsAre(2, 4));
  EXPECT_THAT(run(3), ElementsAre(18, 24));
  EXPECT_THAT(run(1), ElementsAre(2, 4));
  EXPECT_THAT(run(0), ElementsAre(0, 0));
  const std::vector<int64_t> many = {5};
  const auto refused =
      context->run(std::vector{view(DType::kFloat32, {4, 2}, x), view(DType::kInt64, {1}, many)});
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("trim 'trim': the count is not one number"));
}

// total, all = a loop that adds x to total while total < 10, at most `most` times.
ir::Graph adding() {
  auto body = std::make_shared<ir::Graph>();
  ir::Builder inner(*body);
  inner.input("i", DType::kInt64, {});
  inner.input("going", DType::kBool, {});
  const ir::ValueId before = inner.input("before", DType::kFloat32, {1});
  const ir::ValueId step = inner.input("step", DType::kFloat32, {1});
  const ir::ValueId sum =
      *inner.op(OpKind::kBinary, {before, step}, BinaryAttrs{BinaryKind::kAdd, {}}, "sum");
  // Below 10: the whole part of a tenth is 0.
  const std::vector<float> ten = {10};
  const ir::ValueId tens = *inner.op(OpKind::kBinary, {inner.constant_floats("", {1}, ten), sum},
                                     BinaryAttrs{BinaryKind::kSub, {}}, "room");
  const ir::ValueId room =
      *inner.op(OpKind::kClamp, {tens}, ClampAttrs{{.min = 0, .max = 1}}, "clamp");
  const ir::ValueId scalar = *inner.reshape(room, {}, "scalar");
  inner.output(*inner.op(OpKind::kCast, {scalar}, {}, "going",
                         ir::OutputSpec::typed("going", DType::kBool)));
  inner.output(sum);
  inner.output(sum);

  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId most = b.input("most", DType::kInt64, {});
  const ir::ValueId x = b.input("x", DType::kFloat32, {1});
  const ir::ValueId yes = b.constant_bytes("", DType::kBool, {}, {std::byte{1}});
  const ir::ValueId zero = b.constant_bytes("", DType::kFloat32, {1}, std::vector<std::byte>(4));
  ir::Node loop{.kind = OpKind::kLoop,
                .name = "adding",
                .attrs = LoopAttrs{.carried = 1, .scanned = 1},
                .inputs = {most, yes, zero, x},
                .outputs = {}};
  loop.bodies = {body};
  for (const char* name : {"total", "all"}) {
    ir::Value made;
    made.name = name;
    loop.outputs.push_back(graph.add_value(made));
    b.output(loop.outputs.back());
  }
  graph.add_node(loop);
  return graph;
}

TEST(Program, RepeatsALoopWhileItsConditionHolds) {
  const auto model = load(adding());
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context({});
  const auto run = [&](int64_t most, float x, std::vector<float>* all) {
    const std::vector<int64_t> m = {most};
    const std::vector<float> step = {x};
    const auto y =
        context->run(std::vector{view(DType::kInt64, {}, m), view(DType::kFloat32, {1}, step)});
    EXPECT_TRUE(y.ok()) << y.status().to_string();
    *all = floats((*y)[1]);
    return floats((*y)[0])[0];
  };
  std::vector<float> all;
  EXPECT_EQ(run(100, 4, &all), 12);
  EXPECT_THAT(all, ElementsAre(4, 8, 12));
  EXPECT_EQ(run(2, 4, &all), 8);
  EXPECT_THAT(all, ElementsAre(4, 8));
  EXPECT_EQ(run(0, 4, &all), 0);
  EXPECT_TRUE(all.empty());
}

TEST(Program, EndsALoopThatDoesNot) {
  LoadOptions options;
  options.limits.max_iterations = 50;
  const auto model = load(adding(), options);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context({});
  const std::vector<int64_t> most = {1000};
  const std::vector<float> nothing = {0};
  const auto y =
      context->run(std::vector{view(DType::kInt64, {}, most), view(DType::kFloat32, {1}, nothing)});
  EXPECT_EQ(y.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(y.status().message(),
              HasSubstr("loop 'adding': has not ended after the limit of 50"));
}

// y = x + sum of what came before.
ir::Graph accumulating() {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId before = b.input("before", DType::kFloat32, {kDynamicDim, 2});
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 2});
  const ir::ValueId y = *b.op(OpKind::kBinary, {x, before}, BinaryAttrs{BinaryKind::kAdd, {}},
                              "sum", ir::OutputSpec::named("after"));
  b.output(y);
  b.output(*b.op(OpKind::kUnary, {y}, UnaryAttrs{UnaryKind::kNeg}, "negated",
                 ir::OutputSpec::named("y")));
  return graph;
}

TEST(State, StaysFromRunToRunForEachSequence) {
  LoadOptions options;
  options.states = {{"before", "after"}};
  const auto model = load(accumulating(), options);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  ASSERT_EQ((*model)->inputs().size(), 1U);
  ASSERT_EQ((*model)->outputs().size(), 1U);
  EXPECT_EQ((*model)->info().states[0].name, "before");
  const auto context = *(*model)->create_context({});
  const auto run = [&](float a, float b, State* state) {
    const std::vector<float> x = {a, b};
    const auto y = context->run(std::vector{view(DType::kFloat32, {1, 2}, x)}, std::array{state});
    EXPECT_TRUE(y.ok()) << y.status().to_string();
    return floats((*y)[0]);
  };
  const auto one = (*model)->create_state();
  const auto two = (*model)->create_state();
  EXPECT_THAT(run(1, 2, one.get()), ElementsAre(-1, -2));
  EXPECT_THAT(run(10, 20, two.get()), ElementsAre(-10, -20));
  EXPECT_THAT(run(1, 2, one.get()), ElementsAre(-2, -4));
  EXPECT_THAT(run(5, 5, nullptr), ElementsAre(-5, -5));
  EXPECT_THAT(run(5, 5, nullptr), ElementsAre(-5, -5));
  one->reset();
  EXPECT_THAT(run(1, 2, one.get()), ElementsAre(-1, -2));
}

TEST(State, EachElementOfABatchIsASequenceOfItsOwn) {
  ir::Graph graph = accumulating();
  graph.value(graph.inputs()[0]).shape[0] = 1;
  std::rotate(graph.inputs().begin(), graph.inputs().begin() + 1, graph.inputs().end());
  std::rotate(graph.outputs().begin(), graph.outputs().begin() + 1, graph.outputs().end());
  const std::vector<float> first = {100, 200};
  graph.initial_states().push_back(Constant::copy_of(std::as_bytes(std::span(first))));
  const auto model = load(std::move(graph));
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  ASSERT_TRUE((*model)->info().batchable);
  const auto context = *(*model)->create_context({});
  const auto run = [&](int64_t batch, const std::vector<State*>& states = {}) {
    std::vector<float> x = {1, 2, 3, 4};
    x.resize(2 * static_cast<size_t>(batch));
    return context->run(std::vector{view(DType::kFloat32, {batch, 2}, x)}, states);
  };
  for (const int64_t batch : {2, 1, 2}) {
    const auto y = run(batch);
    ASSERT_TRUE(y.ok()) << y.status().to_string();
    const std::vector<float> expected = {-101, -202, -103, -204};
    EXPECT_THAT(floats((*y)[0]),
                ElementsAreArray(std::span(expected).first(2 * static_cast<size_t>(batch))));
  }
  const auto state = (*model)->create_state();
  EXPECT_THAT(run(2, {state.get()}).status().message(),
              HasSubstr("got states of 1 sequences, the inputs have a batch of 2"));
  ASSERT_TRUE(run(1, {state.get()}).ok());
  EXPECT_THAT(floats((*run(1, {state.get()}))[0]), ElementsAre(-102, -204));

  const auto other = (*model)->create_state();
  EXPECT_THAT(floats((*run(2, {other.get(), state.get()}))[0]),
              ElementsAre(-101, -202, -105, -208));
  EXPECT_THAT(floats((*run(2, {state.get(), nullptr}))[0]), ElementsAre(-106, -210, -103, -204));
  EXPECT_THAT(floats((*run(2, {nullptr, other.get()}))[0]), ElementsAre(-101, -202, -104, -206));
  EXPECT_THAT(floats((*run(1, {state.get()}))[0]), ElementsAre(-107, -212));
  EXPECT_TRUE(run(0).ok() || run(0).status().code() == StatusCode::kInvalidArgument);
}

TEST(State, IsOfOneModel) {
  LoadOptions options;
  options.states = {{"before", "after"}};
  const auto model = load(accumulating(), options);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto context = *(*model)->create_context({});
  const std::vector<float> x = {1, 2};
  const auto inputs = std::vector{view(DType::kFloat32, {1, 2}, x)};
  struct Foreign final : State {
    void reset() override {}
  } foreign;
  ir::Graph wider;
  ir::Builder b(wider);
  const ir::ValueId before = b.input("before", DType::kFloat32, {1, 3});
  b.output(*b.op(OpKind::kUnary, {before}, UnaryAttrs{UnaryKind::kNeg}, "negated",
                 ir::OutputSpec::named("after")));
  const auto other = load(std::move(wider), options);
  ASSERT_TRUE(other.ok()) << other.status().to_string();
  const auto state = (*other)->create_state();
  for (State* wrong : {static_cast<State*>(&foreign), state.get()}) {
    EXPECT_THAT(context->run(inputs, std::array{wrong}).status().message(),
                HasSubstr("the state is not one of this model"));
  }
}

TEST(State, ANameThatIsNotThereIsRefused) {
  LoadOptions options;
  options.states = {{"before", "nothing"}};
  const auto model = load(accumulating(), options);
  EXPECT_EQ(model.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(model.status().message(),
              HasSubstr("the model has no output 'nothing', it has 'after', 'y'"));
}

}  // namespace
}  // namespace inferd::runtime
