// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/replace_models.h"

#include <utility>
#include <vector>

namespace inferd::pipeline {
namespace {

// Of a stage that takes whichever version of its model serves; null: it is none.
template <typename Stage>
auto* model_of(Stage& stage) {
  const bool changes = stage.type == "infer" && !stage.entries.contains("version");
  const auto model = stage.entries.find("model");
  const bool has_one = changes && model != stage.entries.end() && model->second.items.size() == 1;
  return has_one ? &model->second.items[0] : nullptr;
}

}  // namespace

config::PipelineConfig replace_models(config::PipelineConfig config,
                                      const std::map<std::string, std::string>& models) {
  const auto replace = [&](std::vector<config::NodeConfig>& stages) {
    for (config::NodeConfig& stage : stages) {
      std::string* const name = model_of(stage);
      if (name == nullptr) continue;
      const auto other = models.find(*name);
      if (other != models.end()) *name = other->second;
    }
  };
  replace(config.stages);
  for (config::PipelineNode& node : config.nodes) replace(node.stages);
  return config;
}

bool uses_model(const config::PipelineConfig& config, const std::string& model) {
  const auto uses = [&](const std::vector<config::NodeConfig>& stages) {
    for (const config::NodeConfig& stage : stages) {
      const std::string* const name = model_of(stage);
      if (name != nullptr && *name == model) return true;
    }
    return false;
  };
  if (uses(config.stages)) return true;
  for (const config::PipelineNode& node : config.nodes) {
    if (uses(node.stages)) return true;
  }
  return false;
}

}  // namespace inferd::pipeline
