// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/compiled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "engine/import/ifd/ifd.h"
#include "engine/ir/builder.h"
#include "engine/kernels/packing_id.h"
#include "engine/runtime/model.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::runtime {
namespace {

using ::testing::HasSubstr;

ir::ValueId must(Result<ir::ValueId> id) {
  EXPECT_TRUE(id.ok()) << id.status().to_string();
  return id.ok() ? *id : 0;
}

// Places in the header (docs/ifd-format.md).
constexpr size_t kVersionAt = 8;
constexpr size_t kPackingIdAt = 64;

// A convolution, a fully connected layer with the same weights twice, and an operator that reads
// its constant unpacked.
ir::Graph network() {
  ir::Graph graph;
  ir::Builder b(graph);
  std::vector<float> weights(8 * 3 * 3 * 4);
  std::iota(weights.begin(), weights.end(), -100.F);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 8, 8, 4});
  const ir::ValueId w = b.constant_floats("w", {8, 3, 3, 4}, weights);
  Conv2dAttrs conv;
  conv.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2};
  conv.activation = {-1000.F, 1000.F};
  ir::ValueId y = must(b.op(OpKind::kConv2d, {x, w}, conv, "conv"));
  y = must(b.reshape(y, {1, 72}, "flat"));
  std::vector<float> square(72 * 72, 0.25F);
  const ir::ValueId dense = b.constant_floats("dense", {72, 72}, square);
  y = must(b.op(OpKind::kFullyConnected, {y, dense}, FullyConnectedAttrs{}, "first"));
  y = must(b.op(OpKind::kFullyConnected, {y, dense}, FullyConnectedAttrs{}, "second"));
  std::vector<float> added(72);
  std::iota(added.begin(), added.end(), 0.F);
  const ir::ValueId bias = b.constant_floats("added", {1, 72}, added);
  y = must(b.op(OpKind::kBinary, {y, bias}, BinaryAttrs{}, "add", ir::OutputSpec::named("y")));
  b.output(y);
  return graph;
}

std::shared_ptr<const LoadedModel> load(ir::Graph graph) {
  import::Imported imported;
  imported.format = "test";
  imported.description = "a network";
  imported.graph = std::move(graph);
  auto model =
      LoadedModel::create(std::move(imported), LoadOptions{}, {}, std::make_shared<ThreadPool>(1));
  EXPECT_TRUE(model.ok()) << model.status().to_string();
  return model.ok() ? *model : nullptr;
}

Result<std::shared_ptr<const LoadedModel>> load_file(const std::string& path,
                                                     const plan::PlanOptions& options = {}) {
  LoadOptions load;
  load.limits.max_tensor_bytes = 1 << 24;
  load.limits.max_arena_bytes = 1 << 24;
  INFERD_ASSIGN_OR_RETURN(import::Imported imported, import::import_file(path, load.limits));
  return LoadedModel::create(std::move(imported), load, options, std::make_shared<ThreadPool>(1));
}

std::vector<float> outputs_of(const LoadedModel& model, int64_t batch = 1) {
  const auto context = model.create_context({});
  EXPECT_TRUE(context.ok()) << context.status().to_string();
  std::vector<float> x(static_cast<size_t>(batch) * 8 * 8 * 4);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 8.F;
  const TensorView view{DType::kFloat32, {batch, 8, 8, 4}, std::as_bytes(std::span(x))};
  const auto outputs = (*context)->run(std::span(&view, 1));
  EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
  if (!outputs.ok()) return {};
  const auto y = (*outputs)[0].as<float>();
  return {y.begin(), y.end()};
}

// On zeros, whatever the inputs are.
Status run_once(const LoadedModel& model) {
  INFERD_ASSIGN_OR_RETURN(const auto context, model.create_context({}));
  std::vector<std::vector<std::byte>> buffers;
  std::vector<TensorView> views;
  for (const TensorInfo& input : model.inputs()) {
    Shape shape = input.shape;
    for (int d = 0; d < shape.rank(); ++d) shape[d] = shape[d] == kDynamicDim ? 1 : shape[d];
    INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(input.dtype, shape));
    if (bytes > 1 << 24) return resource_exhausted("the input is large");
    buffers.emplace_back(static_cast<size_t>(bytes));
    views.push_back({input.dtype, shape, buffers.back()});
  }
  return context->run(views).status();
}

class Compiled : public ::testing::Test {
 protected:
  std::string written(CompiledWeights weights) {
    const Status status = original_->write(path_, weights, isa_name(best_isa()));
    EXPECT_TRUE(status.ok()) << status.to_string();
    return path_;
  }
  // Changes bytes of the file, and checksums with them.
  void change(size_t at, std::string_view text) {
    std::ifstream in(path_, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    bytes.replace(at, text.size(), text);
    import::reseal_ifd(std::as_writable_bytes(std::span(bytes)));
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("model.ifd");
  const std::shared_ptr<const LoadedModel> original_ = load(network());
};

TEST_F(Compiled, RunsAsTheOriginal) {
  for (const auto weights :
       {CompiledWeights::kBoth, CompiledWeights::kRaw, CompiledWeights::kPacked}) {
    const auto model = load_file(written(weights));
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    EXPECT_EQ(outputs_of(**model), outputs_of(*original_));
    EXPECT_EQ(outputs_of(**model, 3), outputs_of(*original_, 3));
    EXPECT_EQ((*model)->packed_bytes(), original_->packed_bytes());
  }
}

TEST_F(Compiled, TakesTheKernelsOfTheOriginal) {
  const auto model = load_file(written(CompiledWeights::kBoth));
  ASSERT_TRUE(model.ok());
  const std::vector<Shape> shapes = {{1, 8, 8, 4}};
  const auto before = *original_->plan_for(shapes);
  const auto after = *(*model)->plan_for(shapes);
  ASSERT_EQ(after->steps.size(), before->steps.size());
  for (size_t s = 0; s < before->steps.size(); ++s) {
    EXPECT_EQ(after->steps[s].kernel, before->steps[s].kernel);
    EXPECT_EQ(after->steps[s].op.packed_before, before->steps[s].packed != nullptr);
  }
}

TEST_F(Compiled, SaysWhatItIs) {
  const auto model = load_file(written(CompiledWeights::kBoth));
  ASSERT_TRUE(model.ok());
  const ModelInfo& info = (*model)->info();
  EXPECT_EQ(info.format, "ifd");
  EXPECT_THAT(info.description, HasSubstr("from test"));
  EXPECT_THAT(info.description, HasSubstr("a network"));
  EXPECT_TRUE(info.batchable);
}

TEST_F(Compiled, KeepsSharedWeightsOnce) {
  const auto both = std::filesystem::file_size(written(CompiledWeights::kBoth));
  const auto raw = std::filesystem::file_size(written(CompiledWeights::kRaw));
  const auto packed = static_cast<uintmax_t>(original_->packed_bytes());  // shared by two operators
  EXPECT_LT(both, raw + packed + 3 * 4096) << "blocks begin at pages";
}

TEST_F(Compiled, IsRefusedWhenItsFormatIsNewer) {
  written(CompiledWeights::kBoth);
  change(kVersionAt, {"\x09\0\0\0", 4});
  const auto model = load_file(path_);
  EXPECT_EQ(model.status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(model.status().message(), HasSubstr("format version 9"));
}

TEST_F(Compiled, IsPackedAnewByAnotherEngine) {
  written(CompiledWeights::kBoth);
  change(kPackingIdAt, "another");
  const auto model = load_file(path_);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_EQ(outputs_of(**model), outputs_of(*original_));
}

TEST_F(Compiled, IsRefusedByAnotherEngineWithoutItsRawWeights) {
  written(CompiledWeights::kPacked);
  change(kPackingIdAt, "another");
  const auto model = load_file(path_);
  EXPECT_EQ(model.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(model.status().message(), HasSubstr("compile it again"));
}

TEST_F(Compiled, IsPackedAnewForOtherKernels) {
  plan::PlanOptions options;
  options.prefer_kernels = {"ref"};
  const auto model = load_file(written(CompiledWeights::kBoth), options);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  EXPECT_EQ((*model)->packed_bytes(), 0);
  const std::vector<float> expected = outputs_of(*original_);
  const std::vector<float> outputs = outputs_of(**model);
  ASSERT_EQ(outputs.size(), expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], expected[i], 1e-2F);
}

TEST_F(Compiled, IsRefusedWhenPackedWeightsHaveAnotherSize) {
  const std::vector<std::byte> short_array(64);
  const ir::Graph graph = network();
  import::Compiled compiled;
  compiled.packing_id = kernels::packing_id();
  compiled.isa = isa_name(best_isa());
  compiled.chosen_for = {{1, 8, 8, 4}};
  const auto plan = *original_->plan_for(compiled.chosen_for);
  const auto first = std::ranges::find(plan->steps, "first", &plan::Step::name);
  for (const size_t arrays : {0, 1, 2, 5}) {
    import::PackedSource source{2, first->kernel->name, {}};
    source.arrays.assign(arrays, short_array);
    ASSERT_TRUE(
        import::write_ifd(path_, graph, compiled, std::span(&source, 1), import::RawWeights::kKeep)
            .ok());
    const auto model = load_file(path_);
    if (arrays == 0) {
      EXPECT_TRUE(model.ok()) << "nothing is stored";
    } else {
      EXPECT_EQ(model.status().code(), StatusCode::kDataLoss) << model.status().to_string();
    }
  }
}

// As tests/fuzz/fuzz_ifd.cc, for a moment.
TEST_F(Compiled, IsRefusedOrRunsWhateverItsGraphSays) {
  written(CompiledWeights::kBoth);
  const auto size = std::filesystem::file_size(path_);
  const auto graph_bytes = [&] {
    std::ifstream in(path_, std::ios::binary);
    uint64_t bytes = 0;
    in.seekg(32).read(reinterpret_cast<char*>(&bytes), sizeof(bytes));
    return bytes;
  }();
  std::ifstream in(path_, std::ios::binary);
  const std::string original(std::istreambuf_iterator<char>(in), {});
  std::mt19937 random(5);
  int refused = 0;
  constexpr int kChanges = 1000;
  for (int i = 0; i < kChanges; ++i) {
    std::string bytes = original;
    constexpr char kNumbers[] = {0, 1, 2, 3, 4, 16, 64, 127, -128, -1};
    const size_t at = size - 1 - random() % graph_bytes;
    bytes[at] = i % 2 == 0 ? kNumbers[random() % sizeof(kNumbers)] : static_cast<char>(random());
    import::reseal_ifd(std::as_writable_bytes(std::span(bytes)));
    std::ofstream(path_, std::ios::binary) << bytes;
    const auto model = load_file(path_);
    const Status status = model.ok() ? run_once(**model) : model.status();
    EXPECT_TRUE(status.ok() || !status.message().empty()) << "byte " << at;
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, kChanges / 4);
  EXPECT_LT(refused, kChanges);
}

TEST_F(Compiled, CanBeCompiledAgain) {
  const auto model = load_file(written(CompiledWeights::kRaw));
  ASSERT_TRUE(model.ok());
  const std::string again = folder_.file("again.ifd");
  ASSERT_TRUE((*model)->write(again, CompiledWeights::kPacked, isa_name(best_isa())).ok());
  const auto loaded = load_file(again);
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  EXPECT_EQ(outputs_of(**loaded), outputs_of(*original_));
  EXPECT_THAT((*loaded)->info().description, HasSubstr("from test"));
  EXPECT_FALSE((*loaded)->write(path_, CompiledWeights::kRaw, "").ok()) << "raw ones are gone";
}

TEST_F(Compiled, KeepsBodies) {
  ir::Graph body;
  {
    ir::Builder b(body);
    const std::vector<float> one = {1.F};
    const ir::ValueId x = b.input("x", DType::kFloat32, {2});
    const ir::ValueId c = b.constant_floats("one", {1}, one);
    b.output(must(b.op(OpKind::kBinary, {x, c}, BinaryAttrs{}, "add")));
  }
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId condition = b.input("condition", DType::kBool, {});
  const ir::ValueId x = b.input("x", DType::kFloat32, {2});
  ir::Value y;
  y.name = "y";
  y.shape = {2};
  y.shape_known = true;
  ir::Node node;
  node.kind = OpKind::kIf;
  node.name = "if";
  node.inputs = {condition, x};
  node.outputs = {graph.add_value(y)};
  node.bodies.assign(2, std::make_shared<const ir::Graph>(body));
  graph.add_node(std::move(node));
  b.output(graph.nodes()[0].outputs[0]);
  ASSERT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  ASSERT_TRUE(import::write_ifd(path_, graph, {}, {}, import::RawWeights::kKeep).ok());
  const auto imported = import::import_file(path_, Limits{});
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  EXPECT_EQ(ir::to_text(imported->graph), ir::to_text(graph));
  ASSERT_EQ(imported->graph.nodes()[0].bodies.size(), 2U);
  EXPECT_EQ(ir::to_text(*imported->graph.nodes()[0].bodies[1]), ir::to_text(body));
}

// y = W * (x + what came before), which begins as {1, 2}.
TEST_F(Compiled, KeepsStates) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 2});
  const ir::ValueId before = b.input("before", DType::kFloat32, {1, 2});
  const ir::ValueId sum = must(
      b.op(OpKind::kBinary, {x, before}, BinaryAttrs{}, "sum", ir::OutputSpec::named("after")));
  const std::vector<float> weights = {1, 0, 0, 10};
  const ir::ValueId w = b.constant_floats("w", {2, 2}, weights);
  b.output(must(b.op(OpKind::kFullyConnected, {sum, w}, FullyConnectedAttrs{}, "dense",
                     ir::OutputSpec::named("y"))));
  b.output(sum);
  const std::vector<float> first = {1, 2};
  graph.initial_states().push_back(Constant::copy_of(std::as_bytes(std::span(first))));
  ASSERT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  const Status status =
      load(std::move(graph))->write(path_, CompiledWeights::kBoth, isa_name(best_isa()));
  ASSERT_TRUE(status.ok()) << status.to_string();

  const auto model = load_file(path_);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  ASSERT_EQ((*model)->inputs().size(), 1U);
  ASSERT_EQ((*model)->info().states.size(), 1U);
  EXPECT_EQ((*model)->info().states[0].name, "before");
  const auto context = *(*model)->create_context({});
  const auto state = (*model)->create_state();
  const TensorView one{DType::kFloat32, {1, 2}, std::as_bytes(std::span(first))};
  for (const float times : {2.F, 3.F}) {
    const auto y = context->run(std::span(&one, 1), std::array{state.get()});
    ASSERT_TRUE(y.ok()) << y.status().to_string();
    EXPECT_THAT((*y)[0].as<float>(), ::testing::ElementsAre(times, 20 * times));
  }
}

TEST_F(Compiled, LeavesNothingBehindWhereItCannotBeWritten) {
  const Status status =
      original_->write(folder_.file("missing/model.ifd"), CompiledWeights::kBoth, "");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("missing/model.ifd"));
}

}  // namespace
}  // namespace inferd::runtime
