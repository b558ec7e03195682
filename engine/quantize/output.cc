// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/output.h"

#include <filesystem>

#include "engine/base/cpu_features.h"
#include "engine/export/export.h"
#include "engine/import/import.h"
#include "engine/runtime/model.h"

namespace inferd::quantize {
namespace {

// Integer operators are made of it, their weights packed, and all of that is written.
Status write_compiled(const ir::Graph& graph, const std::string& path, const Work& work) {
  import::Imported quantized;
  quantized.format = "inferd";
  quantized.description = "quantized";
  quantized.graph = graph;
  LoadOptions load;
  load.limits = work.options.limits;
  plan::PlanOptions options;
  options.threads = work.pool->threads();
  INFERD_ASSIGN_OR_RETURN(const auto model, runtime::LoadedModel::create(std::move(quantized), load,
                                                                         options, work.pool));
  return model->write(path, CompiledWeights::kBoth, isa_name(best_isa()));
}

}  // namespace

Result<WriteGraph> writer_for(const std::string& path) {
  constexpr const char* kCompiled = ".ifd";
  if (std::filesystem::path(path).extension() == kCompiled) {
    return WriteGraph([path](const ir::Graph& graph, const Work& work) {
      return write_compiled(graph, path, work);
    });
  }
  const auto format = exporter::format_for(path);
  if (!format.ok()) return invalid_argument(format.status().message() + ", " + kCompiled);
  return WriteGraph([path, write = (*format)->write](const ir::Graph& graph, const Work&) {
    return write(graph, path);
  });
}

}  // namespace inferd::quantize
