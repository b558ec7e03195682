// SPDX-License-Identifier: Apache-2.0
//
// Networks of image operators give the same numbers in stripes and one operator after the other.
#include "engine/plan/stripes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/ir/builder.h"
#include "engine/runtime/model.h"

namespace inferd::runtime {
namespace {

using ir::ValueId;

Conv2dAttrs conv(const Window2d& window, Activation activation = {}) {
  return {.window = window, .activation = activation};
}
BinaryAttrs binary(BinaryKind kind) { return {.kind = kind, .activation = {}}; }

// A random network, the same for the same seed.
class Network {
 public:
  explicit Network(uint32_t seed) : random_(seed), builder_(graph_) {
    const Shape shape{pick(1, 2), pick(9, 60), pick(5, 40), pick(1, 20)};
    values_.push_back(builder_.input("x", DType::kFloat32, shape));
    const int64_t count = pick(4, 14);
    for (int64_t i = 0; i < count; ++i) add(values_[static_cast<size_t>(pick_recent())]);
    std::vector<int> uses(graph_.value_count(), 0);
    for (const ir::Node& node : graph_.nodes()) {
      for (const ValueId id : node.inputs) ++uses[static_cast<size_t>(id)];
    }
    for (const ir::Node& node : graph_.nodes()) {
      if (uses[static_cast<size_t>(node.outputs[0])] == 0) builder_.output(node.outputs[0]);
    }
  }
  ir::Graph take() { return std::move(graph_); }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  // Mostly the last value: chains, with branches.
  int64_t pick_recent() {
    const auto last = static_cast<int64_t>(values_.size()) - 1;
    return pick(0, 5) == 0 ? pick(0, last) : last;
  }
  ValueId constant(const Shape& shape) {
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    for (float& v : values) v = std::uniform_real_distribution<float>(-0.5F, 0.5F)(random_);
    return builder_.constant_floats("c" + std::to_string(graph_.value_count()), shape, values);
  }
  Window2d window(const Shape& x) {
    for (;;) {
      Window2d w{.kernel_h = static_cast<int>(pick(1, 4)),
                 .kernel_w = static_cast<int>(pick(1, 3))};
      w.stride_h = static_cast<int>(pick(0, 3) == 0 ? pick(2, 3) : 1);
      w.dilation_h = static_cast<int>(pick(0, 3) == 0 ? 2 : 1);
      const int reach = (w.kernel_h - 1) * w.dilation_h;
      w.pad_top = static_cast<int>(pick(0, reach));
      w.pad_bottom = static_cast<int>(pick(0, reach));
      w.pad_left = w.kernel_w / 2;
      w.pad_right = w.kernel_w - 1 - w.pad_left;
      if (x[1] + w.pad_top + w.pad_bottom > reach + 2 * w.stride_h) return w;
    }
  }
  void add(ValueId x) {
    const Shape shape = graph_.value(x).shape;
    const std::string name = "n" + std::to_string(values_.size());
    const auto op = [&](OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs) {
      Result<ValueId> y = builder_.op(kind, inputs, std::move(attrs), name);
      ASSERT_TRUE(y.ok()) << y.status().to_string();
      values_.push_back(*y);
    };
    switch (pick(0, 7)) {
      case 0: {
        const Window2d w = window(shape);
        const int64_t out = pick(1, 24);
        return op(OpKind::kConv2d,
                  {x, constant({out, w.kernel_h, w.kernel_w, shape[3]}), constant({out})}, conv(w));
      }
      case 1: {
        const int64_t out = pick(1, 40);
        return op(OpKind::kConv2d, {x, constant({out, 1, 1, shape[3]})}, conv({}, {.min = 0}));
      }
      case 2: {
        const Window2d w = window(shape);
        return op(OpKind::kDepthwiseConv2d,
                  {x, constant({w.kernel_h, w.kernel_w, shape[3]}), constant({shape[3]})}, conv(w));
      }
      case 3:
        return op(pick(0, 1) == 0 ? OpKind::kMaxPool2d : OpKind::kAveragePool2d, {x},
                  Pool2dAttrs{.window = window(shape), .activation = {}});
      case 4:
        return op(OpKind::kUnary, {x}, UnaryAttrs{.kind = UnaryKind::kSilu});
      case 5:
        return op(OpKind::kBinary, {x, constant({shape[3]})}, binary(BinaryKind::kMul));
      default: {
        // With another value of the same size, if there is one.
        for (size_t i = values_.size(); i-- > 0;) {
          const Shape& other = graph_.value(values_[i]).shape;
          if (values_[i] == x || other.elements(0, 3) != shape.elements(0, 3)) continue;
          if (other == shape) {
            return op(OpKind::kBinary, {x, values_[i]}, binary(BinaryKind::kAdd));
          }
          if (other[1] == shape[1] && other[2] == shape[2]) {
            return op(OpKind::kConcat, {values_[i], x}, ConcatAttrs{.axis = 3});
          }
        }
        return op(OpKind::kClamp, {x}, ClampAttrs{{.min = -1, .max = 1}});
      }
    }
  }

  std::mt19937 random_;
  ir::Graph graph_;
  ir::Builder builder_;
  std::vector<ValueId> values_;
};

std::shared_ptr<const LoadedModel> load(uint32_t seed, int64_t stripe_bytes, int threads) {
  import::Imported imported;
  imported.graph = Network(seed).take();
  plan::PlanOptions options;
  options.stripe_bytes = stripe_bytes;
  auto model = LoadedModel::create(std::move(imported), LoadOptions{}, options,
                                   std::make_shared<ThreadPool>(threads));
  EXPECT_TRUE(model.ok()) << model.status().to_string();
  return model.ok() ? *model : nullptr;
}

std::vector<std::vector<float>> run(Context& context, const TensorView& input) {
  const auto outputs = context.run(std::span(&input, 1));
  EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
  std::vector<std::vector<float>> values;
  if (!outputs.ok()) return values;
  for (const TensorView& y : *outputs) {
    values.emplace_back(y.as<float>().begin(), y.as<float>().end());
  }
  return values;
}

// Within rounding: how many rows a tile of a matrix product has may change the order of its sums.
void expect_same(const std::vector<std::vector<float>>& expected,
                 const std::vector<std::vector<float>>& actual) {
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].size(), actual[i].size());
    for (size_t k = 0; k < expected[i].size(); ++k) {
      const float tolerance = 1e-4F * std::max(1.F, std::abs(expected[i][k]));
      ASSERT_NEAR(expected[i][k], actual[i][k], tolerance) << "output " << i << " at " << k;
    }
  }
}

TEST(Stripes, ComputeWhatTheStepsDo) {
  int64_t groups = 0;
  int64_t longest = 0;
  for (uint32_t seed = 0; seed < 120 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto plain = load(seed, 0, 1);
    ASSERT_NE(plain, nullptr);
    Shape shape = plain->inputs()[0].shape;
    if (plain->info().batchable) shape[0] = 2;
    const auto plain_context = *plain->create_context({});
    for (const int64_t bytes : {20'000, 60'000}) {
      const auto striped = load(seed, bytes, 1 + static_cast<int>(seed % 3));
      ASSERT_NE(striped, nullptr);
      const auto plan = *striped->plan_for(std::span(&shape, 1));
      for (const plan::StripedGroup& group : plan->stripes) {
        ++groups;
        longest = std::max(longest, static_cast<int64_t>(group.steps.size()));
      }
      const auto context = *striped->create_context({.profile = seed % 2 == 0});
      for (const float phase : {0.F, 1.F}) {
        std::vector<float> values(static_cast<size_t>(shape.elements()));
        for (size_t i = 0; i < values.size(); ++i) {
          values[i] = std::sin(static_cast<float>(i) + phase);
        }
        const TensorView input{DType::kFloat32, shape, std::as_bytes(std::span(values))};
        expect_same(run(*plain_context, input), run(*context, input));
      }
    }
  }
  EXPECT_GT(groups, 100);
  EXPECT_GT(longest, 5);
}

TEST(Stripes, KeepWhatPassesBetweenStepsOutOfTheArena) {
  // An expansion to many channels, a depthwise convolution and a projection.
  const auto block = [] {
    ir::Graph graph;
    ir::Builder b(graph);
    const ValueId x = b.input("x", DType::kFloat32, {1, 64, 64, 8});
    const std::vector<float> weights(96 * 9, 0.1F);
    const auto weight = [&](const Shape& shape) {
      return b.constant_floats("w" + std::to_string(graph.value_count()), shape,
                               std::span(weights).first(static_cast<size_t>(shape.elements())));
    };
    const ValueId wide =
        *b.op(OpKind::kConv2d, {x, weight({96, 1, 1, 8})}, Conv2dAttrs{}, "expand");
    const Window2d w{
        .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1};
    const ValueId depth =
        *b.op(OpKind::kDepthwiseConv2d, {wide, weight({3, 3, 96})}, conv(w), "depthwise");
    b.output(*b.op(OpKind::kConv2d, {depth, weight({8, 1, 1, 96})}, Conv2dAttrs{}, "project"));
    return graph;
  };
  const auto arena_bytes = [&](int64_t stripe_bytes) {
    import::Imported imported;
    imported.graph = block();
    plan::PlanOptions options;
    options.stripe_bytes = stripe_bytes;
    const auto model = *LoadedModel::create(std::move(imported), LoadOptions{}, options,
                                            std::make_shared<ThreadPool>(1));
    return (*model->create_context({}))->memory().arena_bytes;
  };
  EXPECT_GE(arena_bytes(0), 2 * 64 * 64 * 96 * 4);
  EXPECT_EQ(arena_bytes(200'000), 64 * 64 * 8 * 4);
}

}  // namespace
}  // namespace inferd::runtime
