// SPDX-License-Identifier: Apache-2.0
//
// Sequences of recurrent networks that run together: each must get what it would get alone. Sums of
// floats are rounded by how many rows a fast kernel computes at once, so bits are compared on the
// reference kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "engine/ir/builder.h"
#include "engine/runtime/model.h"

namespace inferd::runtime {
namespace {

constexpr int64_t kFeatures = 40;
constexpr int64_t kSteps = 3;
constexpr int64_t kCells = 96;

// Numbers of the size of weights, the same in every run.
class Weights {
 public:
  explicit Weights(ir::Builder& b) : b_(b) {}
  ir::ValueId operator()(const Shape& shape) {
    std::uniform_real_distribution<float> some(-0.3F, 0.3F);
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    for (float& value : values) value = some(random_);
    return b_.constant_floats("w" + std::to_string(++count_), shape, values);
  }

 private:
  ir::Builder& b_;
  std::mt19937 random_{5};
  int count_ = 0;
};

ir::ValueId dense(ir::Builder& b, Weights& w, ir::ValueId x, int64_t in, int64_t out) {
  return *b.op(OpKind::kFullyConnected, {x, w({out, in}), w({out})}, FullyConnectedAttrs{},
               "dense" + std::to_string(out));
}

// x[1,T,F] -> dense -> GRU or LSTM -> dense; its states are the cells'.
ir::Graph recurrent(OpKind kind) {
  ir::Graph graph;
  ir::Builder b(graph);
  Weights w(b);
  const bool lstm = kind == OpKind::kLstm;
  const int64_t gates = (lstm ? 4 : 3) * kCells;
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, kSteps, kFeatures});
  const ir::ValueId h = b.input("h", DType::kFloat32, {1, kCells});
  std::vector<ir::ValueId> inputs = {dense(b, w, x, kFeatures, gates), w({gates, kCells}), h};
  if (lstm) inputs.push_back(b.input("c", DType::kFloat32, {1, kCells}));
  std::vector<ir::OutputSpec> names(lstm ? 3 : 2);
  const auto made =
      *b.ops(kind, inputs, lstm ? OpAttrs(LstmAttrs{}) : OpAttrs(GruAttrs{}), "cells", names);
  b.output(dense(b, w, made[0], kCells, 10));
  for (size_t i = 1; i < made.size(); ++i) {
    b.output(made[i]);
    graph.initial_states().push_back(nullptr);
  }
  return graph;
}

// x[1,F] -> SVDF; its state is [1,F,M].
ir::Graph filters() {
  ir::Graph graph;
  ir::Builder b(graph);
  Weights w(b);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, kFeatures});
  const ir::ValueId state = b.input("state", DType::kFloat32, {1, kCells, 8});
  const std::vector<ir::ValueId> inputs = {x, w({kCells, kFeatures}), w({kCells, 8}), state,
                                           w({kCells / 2})};
  const std::vector<ir::OutputSpec> names(2);
  const auto made =
      *b.ops(OpKind::kSvdf, inputs, SvdfAttrs{.rank = 2, .activation = {}}, "filters", names);
  b.output(made[0]);
  b.output(made[1]);
  graph.initial_states().push_back(nullptr);
  return graph;
}

struct Case {
  OpKind kind;
  std::string kernels;  // to prefer
  float tolerance;
};

std::shared_ptr<const LoadedModel> load(const Case& c) {
  import::Imported imported;
  imported.graph = c.kind == OpKind::kSvdf ? filters() : recurrent(c.kind);
  EXPECT_TRUE(ir::verify(imported.graph).ok()) << ir::verify(imported.graph).to_string();
  plan::PlanOptions options;
  if (!c.kernels.empty()) options.prefer_kernels = {c.kernels};
  auto model =
      LoadedModel::create(std::move(imported), {}, options, std::make_shared<ThreadPool>(2));
  EXPECT_TRUE(model.ok()) << model.status().to_string();
  return model.ok() ? *model : nullptr;
}

// Some sequences, and what each remembers in one way to run them.
class Sequences {
 public:
  Sequences(const LoadedModel& model, size_t count) : context_(*model.create_context({})) {
    shape_ = model.inputs()[0].shape;
    for (size_t i = 0; i < count; ++i) states_.push_back(model.create_state());
  }
  int64_t input_size() {
    shape_[0] = 1;
    return shape_.elements();
  }
  // One step of those that `who` names; `x` has their inputs one after the other.
  std::vector<float> step(std::span<const size_t> who, std::span<const float> x) {
    std::vector<State*> states;
    for (const size_t i : who) states.push_back(states_[i].get());
    shape_[0] = static_cast<int64_t>(who.size());
    const TensorView view{DType::kFloat32, shape_, std::as_bytes(x)};
    const auto outputs = context_->run({&view, 1}, states);
    EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
    if (!outputs.ok()) return {};
    const auto y = (*outputs)[0].as<float>();
    return {y.begin(), y.end()};
  }

 private:
  std::unique_ptr<Context> context_;
  Shape shape_;
  std::vector<std::unique_ptr<State>> states_;
};

class SequenceBatches : public ::testing::TestWithParam<Case> {};

TEST_P(SequenceBatches, GiveEachWhatItGetsAlone) {
  const auto model = load(GetParam());
  ASSERT_NE(model, nullptr);
  ASSERT_TRUE(model->info().batchable);
  constexpr size_t kSequences = 8;
  Sequences together(*model, kSequences);
  Sequences alone(*model, kSequences);
  const auto size = static_cast<size_t>(together.input_size());
  std::mt19937 random(7);
  std::uniform_real_distribution<float> some(-1, 1);
  for (size_t run = 0; run < 12; ++run) {
    // Others in each run, and in another order.
    std::vector<size_t> who(kSequences);
    std::iota(who.begin(), who.end(), 0);
    std::ranges::shuffle(who, random);
    who.resize(1 + run % kSequences);
    std::vector<float> x(size * who.size());
    for (float& value : x) value = some(random);
    const std::vector<float> got = together.step(who, x);
    std::vector<float> expected;
    for (size_t i = 0; i < who.size(); ++i) {
      const auto y = alone.step({&who[i], 1}, std::span(x).subspan(i * size, size));
      expected.insert(expected.end(), y.begin(), y.end());
    }
    EXPECT_THAT(got, ::testing::Pointwise(::testing::FloatNear(GetParam().tolerance), expected))
        << "run " << run;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, SequenceBatches,
    ::testing::Values(Case{OpKind::kGru, "ref", 0}, Case{OpKind::kLstm, "ref", 0},
                      Case{OpKind::kSvdf, "ref", 0}, Case{OpKind::kGru, "", 1e-5F},
                      Case{OpKind::kLstm, "", 1e-5F}),
    [](const auto& c) {
      const std::string kernels = c.param.kernels;
      return std::string(op_name(c.param.kind)) + (kernels.empty() ? "_fast" : "_" + kernels);
    });

}  // namespace
}  // namespace inferd::runtime
