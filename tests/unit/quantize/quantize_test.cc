// SPDX-License-Identifier: Apache-2.0
//
// Small networks from a file to a file.
#include "inferd/engine/quantize.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/export/export.h"
#include "engine/quantize/equalize.h"
#include "engine/quantize/rules.h"
#include "tests/unit/opt/pass_testing.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::quantize {
namespace {

using ir::OutputSpec;
using ir::ValueId;
using opt::ok;
using opt::random_floats;
using ::testing::HasSubstr;

constexpr Activation kRelu{0.F, kInf};
constexpr Activation kRelu6{0.F, 6.F};

Conv2dAttrs window(int kernel, const Activation& activation) {
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = kernel, .kernel_w = kernel};
  attrs.window.pad_top = attrs.window.pad_left = kernel / 2;
  attrs.window.pad_bottom = attrs.window.pad_right = kernel / 2;
  attrs.activation = activation;
  return attrs;
}

// A bottleneck with a residual, a concatenation, a pool and a sigmoid behind a classifier. Its
// channels have very different ranges.
ir::Graph network() {
  ir::Graph graph;
  ir::Builder b(graph);
  const auto uneven = [&](const Shape& shape, int axis, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> values(static_cast<size_t>(shape.elements()));
    const int64_t inner = shape.elements(axis + 1, shape.rank());
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t channel = static_cast<int64_t>(i) / inner % shape[axis];
      const float size = channel % 3 == 0 ? 0.5F : 0.02F;
      values[i] = size * (static_cast<float>(random() % 2001) / 1000.F - 1.F);
    }
    return b.constant_floats("w", shape, values);
  };
  const auto op = [&](OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs,
                      const char* name) { return ok(b.op(kind, inputs, std::move(attrs), name)); };
  const ValueId x = b.input("x", DType::kFloat32, {1, 8, 8, 3});
  const ValueId stem = op(OpKind::kConv2d, {x, uneven({8, 3, 3, 3}, 0, 1), random_floats(b, {8})},
                          window(3, kRelu6), "stem");
  const ValueId depthwise =
      op(OpKind::kDepthwiseConv2d, {stem, uneven({3, 3, 8}, 2, 2), random_floats(b, {8}, 5)},
         window(3, kRelu), "depthwise");
  const ValueId point =
      op(OpKind::kConv2d, {depthwise, random_floats(b, {8, 1, 1, 8}, 3)}, window(1, {}), "point");
  const ValueId sum = op(OpKind::kBinary, {stem, point}, BinaryAttrs{BinaryKind::kAdd, {}}, "sum");
  const ValueId both = op(OpKind::kConcat, {sum, stem}, ConcatAttrs{3}, "both");
  const ValueId mean =
      op(OpKind::kReduce, {both}, ReduceAttrs{ReduceKind::kMean, {1, 2}, false}, "mean");
  const ValueId dense =
      op(OpKind::kFullyConnected, {mean, random_floats(b, {4, 16}, 4), random_floats(b, {4}, 6)},
         FullyConnectedAttrs{}, "dense");
  b.output(ok(b.op(OpKind::kUnary, {dense}, UnaryAttrs{UnaryKind::kSigmoid}, "probability",
                   OutputSpec::named("y"))));
  return graph;
}

class Quantize : public ::testing::Test {
 protected:
  Quantize() : path_(folder_.file("float.onnx")), out_(folder_.file("int8.onnx")) {
    write(network());
    std::mt19937 random(9);
    for (std::vector<float>& sample : samples_) {
      sample.resize(8 * 8 * 3);
      for (float& v : sample) v = static_cast<float>(random() % 2001) / 1000.F - 1.F;
    }
  }

  void write(const ir::Graph& graph) {
    ASSERT_TRUE((*exporter::format_for(path_))->write(graph, path_).ok());
  }

  CalibrationData data() {
    return {samples_.size(), [this](size_t i) -> Result<std::vector<TensorView>> {
              return std::vector<TensorView>{
                  {DType::kFloat32, {1, 8, 8, 3}, std::as_bytes(std::span(samples_[i]))}};
            }};
  }
  Result<QuantizeReport> run(const QuantizeOptions& options = {}) {
    return quantize_model(path_, out_, data(), options);
  }
  Result<QuantizeReport> run_keeping(const std::string& layer) {
    QuantizeOptions options;
    options.keep_float = {layer};
    return run(options);
  }

  TemporaryFolder folder_;
  const std::string path_, out_;
  std::array<std::vector<float>, 6> samples_;
};

TEST_F(Quantize, MakesAnIntegerModelThatGivesTheSame) {
  const QuantizeReport report = ok(run());
  EXPECT_GT(report.outputs.at(0).sqnr_db, 30.);
  EXPECT_LT(report.weights_bytes_after * 2, report.weights_bytes_before);
  for (const LayerNoise& layer : report.layers) {
    const bool measured = layer.quantized && !std::isnan(layer.sqnr_db);
    EXPECT_TRUE(!measured || layer.sqnr_db > 20.) << layer.name << " " << layer.sqnr_db;
  }
  const auto engine = ok(Engine::create({}));
  const auto model = ok(engine->load(out_));
  EXPECT_EQ(model->inputs()[0].name, "x");
  EXPECT_EQ(model->inputs()[0].dtype, DType::kFloat32);
  EXPECT_EQ(model->outputs()[0].name, "y");
  for (const LeftConversion& left : model->info().conversions) {
    EXPECT_NE(left.op, "quantize") << left.node << ": " << left.reason;
  }
}

TEST_F(Quantize, ACompiledFileGivesTheSame) {
  ASSERT_TRUE(run().ok());
  const std::string compiled = folder_.file("int8.ifd");
  const Result<QuantizeReport> report = quantize_model(path_, compiled, data(), {});
  if (report.status().code() == StatusCode::kUnimplemented) GTEST_SKIP() << "SKIPPED: no .ifd here";
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  const auto engine = ok(Engine::create({}));
  EXPECT_EQ(ok(engine->inspect(compiled)).format, "ifd");
  const auto first = ok(ok(engine->load(out_))->create_context());
  const auto second = ok(ok(engine->load(compiled))->create_context());
  for (size_t i = 0; i < samples_.size(); ++i) {
    const auto inputs = ok(data().sample(i));
    const auto expected = ok(first->run(inputs))[0].as<float>();
    const auto got = ok(second->run(inputs))[0].as<float>();
    EXPECT_TRUE(std::ranges::equal(expected, got)) << i;
  }
}

TEST_F(Quantize, InputsMayBeIntegers) {
  const auto engine = ok(Engine::create({}));
  ASSERT_TRUE(run().ok());
  const auto floats = ok(engine->load(out_));
  QuantizeOptions options;
  options.integer_inputs = true;
  ASSERT_TRUE(run(options).ok());
  const auto integers = ok(engine->load(out_));
  const TensorInfo& input = integers->inputs()[0];
  EXPECT_EQ(input.name, "x");
  ASSERT_EQ(input.dtype, DType::kInt8);
  ASSERT_FALSE(input.quantization.empty());
  std::vector<int8_t> rounded;
  for (const float x : samples_[0]) {
    const float level = std::nearbyint(x / input.quantization.scale()) +
                        static_cast<float>(input.quantization.zero_point());
    rounded.push_back(static_cast<int8_t>(std::clamp(level, -128.F, 127.F)));
  }
  const auto outputs_of = [](const Model& model, const TensorView& view) {
    const auto context = ok(model.create_context());
    const auto bytes = ok(context->run({&view, 1}))[0].data;
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  EXPECT_EQ(
      outputs_of(*integers, {DType::kInt8, {1, 8, 8, 3}, std::as_bytes(std::span(rounded))}),
      outputs_of(*floats, {DType::kFloat32, {1, 8, 8, 3}, std::as_bytes(std::span(samples_[0]))}));
}

TEST_F(Quantize, EveryMethodWorks) {
  for (const CalibrationMethod method :
       {CalibrationMethod::kPercentile, CalibrationMethod::kMse, CalibrationMethod::kEntropy}) {
    QuantizeOptions options;
    options.method = method;
    EXPECT_GT(ok(run(options)).outputs.at(0).sqnr_db, 25.) << static_cast<int>(method);
  }
}

TEST_F(Quantize, ChannelsAndEqualizationHelp) {
  QuantizeOptions options;
  const auto noise_of_depthwise = [&] {
    for (const LayerNoise& layer : ok(run(options)).layers) {
      if (layer.op == "depthwise_conv2d") return layer.sqnr_db;
    }
    return 0.;
  };
  options.per_channel = false;
  const double per_tensor = noise_of_depthwise();
  options.equalize = true;
  const double equalized = noise_of_depthwise();
  options.equalize = false;
  options.per_channel = true;
  EXPECT_GT(noise_of_depthwise(), per_tensor);
  EXPECT_GT(equalized, per_tensor);
}

TEST_F(Quantize, BiasCorrectionDoesNoHarm) {
  QuantizeOptions options;
  options.per_channel = false;
  const double before = ok(run(options)).outputs.at(0).sqnr_db;
  options.bias_correct = true;
  EXPECT_GT(ok(run(options)).outputs.at(0).sqnr_db, before - 0.5);
}

TEST_F(Quantize, LayersMayStayFloat) {
  const QuantizeReport report = ok(run_keeping("point"));
  for (const LayerNoise& layer : report.layers) {
    if (!layer.name.starts_with("point") && !layer.name.starts_with("stem")) continue;
    EXPECT_EQ(layer.quantized, layer.name != "point") << layer.name;
  }
}

TEST_F(Quantize, TheNoisiestLayersMayStayFloat) {
  const auto float_layers = [](const QuantizeReport& report) {
    return std::ranges::count_if(report.layers, [](const LayerNoise& layer) {
      return !layer.quantized && layer.name != "probability";
    });
  };
  const QuantizeReport none = ok(run());
  QuantizeOptions options;
  options.float_share = 0.2;
  const QuantizeReport some = ok(run(options));
  EXPECT_EQ(float_layers(none), 0);
  EXPECT_GT(float_layers(some), 0);
  EXPECT_LT(float_layers(some), 4) << "the stem alone is more work than that";
  EXPECT_GT(some.outputs.at(0).sqnr_db, none.outputs.at(0).sqnr_db);
  options.float_share = 1.5;
  EXPECT_THAT(run(options).status().message(), HasSubstr("between 0 and 1"));
}

TEST_F(Quantize, ReportsProgress) {
  size_t calls = 0;
  QuantizeOptions options;
  options.progress = [&](std::string_view, size_t done, size_t total) {
    EXPECT_LE(done, total);
    ++calls;
  };
  ASSERT_TRUE(run(options).ok());
  EXPECT_GE(calls, 2 * samples_.size());
}

TEST_F(Quantize, RefusesWhatItCannotDo) {
  EXPECT_THAT(run_keeping("nothing").status().message(), HasSubstr("no layer 'nothing'"));
  EXPECT_EQ(quantize_model(path_, out_, {}, {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(quantize_model(path_, folder_.file("x.pt"), data(), {}).status().message(),
              HasSubstr(".onnx, .ifd"));
  EXPECT_EQ(quantize_model("none.onnx", out_, data(), {}).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(run().ok());
  const Status again = quantize_model(out_, path_, data(), {}).status();
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(again.message(), HasSubstr("quantized already"));
  const CalibrationData wrong = {
      1, [this](size_t) -> Result<std::vector<TensorView>> {
        return std::vector<TensorView>{
            {DType::kFloat32, {1, 3, 8, 8}, std::as_bytes(std::span(samples_[0]))}};
      }};
  EXPECT_EQ(quantize_model(path_, out_, wrong, {}).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Quantize, RefusesModelsWithoutLayers) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kFloat32, {1, 8, 8, 3});
  b.output(ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{}, "sigmoid")));
  write(graph);
  EXPECT_THAT(run().status().message(), HasSubstr("nothing to quantize"));
}

TEST(Equalize, KeepsTheFunctionAndBalancesRanges) {
  ir::Graph graph = network();
  const std::vector<ValueId> values = between_layers(graph);
  ASSERT_EQ(values.size(), 1U) << "the stem has several readers";
  const ir::Graph before = graph;
  EXPECT_EQ(equalize(graph, std::vector<std::vector<float>>(graph.value_count())), 1);
  opt::expect_same_results(before, graph);
}

TEST(Rules, NothingAfterTheLastLayerIsRounded) {
  const ir::Graph graph = network();
  const Assignment assignment = ok(assign(graph, std::vector<bool>(graph.nodes().size())));
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const bool tail = graph.nodes()[n].name == "probability";
    EXPECT_EQ(assignment.roles[n] == Role::kFloat, tail) << graph.nodes()[n].name;
  }
  EXPECT_LT(assignment.group[static_cast<size_t>(graph.outputs()[0])], 0);
}

TEST(Rules, AConcatenationSharesItsLevels) {
  const ir::Graph graph = network();
  const Assignment assignment = ok(assign(graph, std::vector<bool>(graph.nodes().size())));
  for (const ir::Node& node : graph.nodes()) {
    if (node.kind != OpKind::kConcat) continue;
    for (const ValueId x : node.inputs) {
      EXPECT_EQ(assignment.group[static_cast<size_t>(x)],
                assignment.group[static_cast<size_t>(node.outputs[0])]);
    }
  }
}

}  // namespace
}  // namespace inferd::quantize
