// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/ensemble_options.h"

#include <algorithm>

#include "package/name.h"

namespace inferd::config {
namespace {

void read_map(MapReader& parent, const std::string& key,
              std::vector<std::pair<std::string, std::string>>& map) {
  const YAML::Node node = parent.child(key);
  if (!node.IsMap()) {
    const YAML::Node& place = node.IsDefined() ? node : parent.node();
    return parent.error(place, "'" + key + "' must map the model's tensors to the ensemble's");
  }
  for (const auto& item : node) {
    if (!item.first.IsScalar() || !item.second.IsScalar()) {
      parent.error(item.first, "'" + key + "' must map names to names");
      continue;
    }
    const bool twice = std::any_of(map.begin(), map.end(), [&](const auto& other) {
      return other.first == item.first.Scalar();
    });
    if (twice) parent.error(item.first, "'" + item.first.Scalar() + "' stands here twice");
    map.emplace_back(item.first.Scalar(), item.second.Scalar());
  }
}

EnsembleStep read_step(const YAML::Node& node, MapReader& parent) {
  EnsembleStep step;
  MapReader r(node, parent.file(), parent.errors());
  step.mark = r.mark();
  r.read("model_name", step.model);
  if (!package::is_model_name(step.model)) parent.error(node, "a step needs a 'model_name'");
  int64_t version = -1;
  r.read("model_version", version, -1, INT64_MAX);
  if (version > 0) step.version = version;
  read_map(r, "input_map", step.inputs);
  read_map(r, "output_map", step.outputs);
  r.finish();
  return step;
}

// Names only: types and shapes are those of the models.
void read_names(MapReader& parent, const std::string& key, std::vector<std::string>& names) {
  const YAML::Node node = parent.child(key);
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return parent.error(node, "'" + key + "' must be a list");
  for (const auto& item : node) {
    MapReader r(item, parent.file(), parent.errors());
    std::string name;
    r.read("name", name);
    if (name.empty()) parent.error(item, "an entry of '" + key + "' needs a 'name'");
    r.finish();
    names.push_back(std::move(name));
  }
}

}  // namespace

void read_ensemble(MapReader& parent, EnsembleConfig& ensemble) {
  const YAML::Node node = parent.child("ensemble_scheduling");
  if (!node.IsDefined()) return;
  read_names(parent, "input", ensemble.inputs);
  read_names(parent, "output", ensemble.outputs);
  MapReader r(node, parent.file(), parent.errors());
  const YAML::Node steps = r.child("step");
  r.finish();
  if (!steps.IsSequence() || steps.size() == 0 || steps.size() > kMaxEnsembleSteps) {
    return parent.error(node, "'step' must be a list of 1 to " + std::to_string(kMaxEnsembleSteps) +
                                  " steps: {model_name, input_map, output_map}");
  }
  for (const auto& step : steps) ensemble.steps.push_back(read_step(step, parent));
}

}  // namespace inferd::config
