// SPDX-License-Identifier: Apache-2.0
//
// A pipeline's file, and after a zero byte the text of every file that it includes: read, drawn,
// and made as far as that touches nothing outside of the process.
#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/config/pipeline_file.h"
#include "daemon/pipeline/graph.h"
#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/source.h"
#include "daemon/pipeline/stage.h"
#include "tests/unit/fakes.h"

namespace inferd {
namespace {

// Whoever wrote the file must be told something.
void expect_a_reason(const Status& status) {
  if (!status.ok() && status.message().empty()) __builtin_trap();
}

// Models by the names that the examples use, with the outputs of TFLite_Detection_PostProcess.
void add_models(FakeRepository& repository) {
  const auto model = std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"image", DType::kFloat32, Shape{1, 8, 8, 3}, {}}},
      std::vector<TensorInfo>{{"boxes", DType::kFloat32, Shape{1, 10, 4}, {}},
                              {"classes", DType::kFloat32, Shape{1, 10}, {}},
                              {"scores", DType::kFloat32, Shape{1, 10}, {}},
                              {"count", DType::kFloat32, Shape{1}, {}}},
      FakeModel::Run{});
  for (const char* name : {"detector", "movenet", "deeplab"})
    repository.add(name, model, {}, {"person"});
}

void make_elements(const pipeline::Graph& graph, models::Repository& repository) {
  constexpr std::array<std::string_view, 4> kFiles = {"jsonl", "csv", "annotated", "best_shots"};
  for (const config::PipelineNode& node : graph.nodes) {
    if (node.source) expect_a_reason(pipeline::make_source(*node.source).status());
    pipeline::StageContext context{repository, "fuzz", {}, nullptr};
    context.trusted = false;
    for (const config::NodeConfig& stage : node.stages)
      expect_a_reason(pipeline::make_stage(stage, context).status());
    for (const config::NodeConfig& sink : node.sinks) {
      // Those open their files when there is something to write; others connect or listen.
      if (std::find(kFiles.begin(), kFiles.end(), sink.type) != kFiles.end())
        expect_a_reason(pipeline::make_sink(sink).status());
    }
  }
}

void fuzz(const std::string& text, models::Repository& repository) {
  const std::string file = text.substr(0, text.find('\0'));
  const std::string included = file.size() == text.size() ? "" : text.substr(file.size() + 1);
  const config::ReadFile read = [&](const std::string& path) -> Result<std::string> {
    return path == "/p/pipeline.yaml" ? file : included;
  };
  const auto config = config::load_pipeline("/p/pipeline.yaml", {}, read);
  expect_a_reason(config.status());
  if (!config.ok()) return;
  const auto graph = pipeline::make_graph(*config);
  expect_a_reason(graph.status());
  if (!graph.ok()) return;
  if (graph->instances.size() > pipeline::kMaxGraphNodes) __builtin_trap();
  (void)pipeline::draw_text(*graph);
  (void)pipeline::draw_dot(config->name, *graph);
  make_elements(*graph, repository);
}

}  // namespace
}  // namespace inferd

// GLib keeps what it has once allocated where nobody looks for it.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:g_malloc\n"; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static inferd::FakeRepository repository;
  static const bool filled = (inferd::add_models(repository), true);
  (void)filled;
  inferd::fuzz(std::string(reinterpret_cast<const char*>(data), size), repository);
  return 0;
}
