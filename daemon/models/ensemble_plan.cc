// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/ensemble_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace inferd::models {
namespace {

using Names = std::vector<std::pair<std::string, std::string>>;

std::string quoted(const std::string& name) { return "'" + name + "'"; }

// Any size meets any.
bool fits(const TensorInfo& given, const TensorInfo& wanted) {
  if (given.dtype != wanted.dtype || given.shape.rank() != wanted.shape.rank()) return false;
  for (int i = 0; i < given.shape.rank(); ++i) {
    const bool any = given.shape[i] == kDynamicDim || wanted.shape[i] == kDynamicDim;
    if (!any && given.shape[i] != wanted.shape[i]) return false;
  }
  return true;
}

std::string describe(const TensorInfo& info) {
  return std::string(dtype_name(info.dtype)) + " " + info.shape.to_string();
}

class Planner {
 public:
  Planner(const config::EnsembleConfig& config, std::span<const ModelInfo* const> parts)
      : config_(config), parts_(parts) {}

  Result<EnsemblePlan> plan() {
    plan_.steps.resize(config_.steps.size());
    for (size_t i = 0; i < config_.steps.size(); ++i) {
      INFERD_RETURN_IF_ERROR(check_names(i));
      INFERD_RETURN_IF_ERROR(write(i));
    }
    for (size_t i = 0; i < config_.steps.size(); ++i) INFERD_RETURN_IF_ERROR(read(i));
    INFERD_RETURN_IF_ERROR(choose_inputs());
    INFERD_RETURN_IF_ERROR(choose_outputs());
    INFERD_RETURN_IF_ERROR(check_order());
    describe_model();
    return std::move(plan_);
  }

 private:
  Status error(size_t step, const std::string& message) const {
    const config::EnsembleStep& config = config_.steps[step];
    return invalid_argument(config.mark.to_string() + ": step " + std::to_string(step + 1) + " (" +
                            config.model + "): " + message);
  }

  static Status check_names(const Names& names, std::span<const TensorInfo> tensors,
                            const std::string& kind) {
    for (const auto& entry : names) {
      const std::string& name = entry.first;
      const bool known = std::any_of(tensors.begin(), tensors.end(),
                                     [&](const TensorInfo& info) { return info.name == name; });
      if (known) continue;
      std::string all;
      for (const TensorInfo& info : tensors) all += (all.empty() ? "" : ", ") + info.name;
      return invalid_argument("the model has no " + kind + " " + quoted(name) + "; it has " + all);
    }
    return ok_status();
  }
  Status check_names(size_t index) const {
    const config::EnsembleStep& step = config_.steps[index];
    const ModelInfo& part = *parts_[index];
    Status status = check_names(step.inputs, part.inputs, "input");
    if (status.ok()) status = check_names(step.outputs, part.outputs, "output");
    return status.ok() ? status : error(index, status.message());
  }

  static const std::string* find(const Names& names, const std::string& name) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == name; });
    return found == names.end() ? nullptr : &found->second;
  }

  int add(const std::string& name, const TensorInfo& as) {
    const int index = static_cast<int>(plan_.tensors.size());
    plan_.tensors.push_back({as, {}, false});
    plan_.tensors.back().info.name = name;
    by_name_[name] = index;
    return index;
  }

  // What the step gives to the others.
  Status write(size_t index) {
    for (const TensorInfo& output : parts_[index]->outputs) {
      const std::string* name = find(config_.steps[index].outputs, output.name);
      if (name != nullptr && by_name_.contains(*name)) {
        return error(index, "tensor " + quoted(*name) + " is written by two steps");
      }
      plan_.steps[index].outputs.push_back(name == nullptr ? EnsemblePlan::kUnwanted
                                                           : add(*name, output));
    }
    writers_.resize(plan_.tensors.size(), static_cast<int>(index));
    return ok_status();
  }

  // What the step takes; a tensor that nobody writes is the ensemble's input.
  Status read(size_t index) {
    EnsemblePlan::Step& step = plan_.steps[index];
    const std::vector<TensorInfo>& inputs = parts_[index]->inputs;
    for (const TensorInfo& input : inputs) {
      const std::string* name = find(config_.steps[index].inputs, input.name);
      if (name == nullptr) {
        return error(index,
                     "'input_map' does not say where input " + quoted(input.name) + " comes from");
      }
      const auto known = by_name_.find(*name);
      const int tensor = known == by_name_.end() ? add(*name, input) : known->second;
      EnsemblePlan::Tensor& source = plan_.tensors[static_cast<size_t>(tensor)];
      if (!fits(source.info, input)) {
        return error(index, "input " + quoted(input.name) + " is " + describe(input) + ", tensor " +
                                quoted(*name) + " is " + describe(source.info));
      }
      step.inputs.push_back(tensor);
      step.written_inputs += is_written(tensor) ? 1 : 0;
      source.read_by.push_back(static_cast<int>(index));
    }
    return ok_status();
  }
  bool is_written(int tensor) const { return static_cast<size_t>(tensor) < writers_.size(); }

  Status choose_inputs() {
    const int count = static_cast<int>(plan_.tensors.size());
    std::vector<int> free;
    for (int i = 0; i < count; ++i) {
      if (!is_written(i)) free.push_back(i);
    }
    if (config_.inputs.empty()) {
      plan_.inputs = std::move(free);
    } else {
      for (const std::string& name : config_.inputs) {
        const auto found = by_name_.find(name);
        if (found == by_name_.end() || is_written(found->second)) {
          return invalid_argument("input " + quoted(name) + " of the ensemble is " +
                                  (found == by_name_.end() ? "read by no step" : "written by one"));
        }
        plan_.inputs.push_back(found->second);
      }
      for (const int tensor : free) {
        if (std::find(plan_.inputs.begin(), plan_.inputs.end(), tensor) != plan_.inputs.end())
          continue;
        const EnsemblePlan::Tensor& lost = plan_.tensors[static_cast<size_t>(tensor)];
        return error(static_cast<size_t>(lost.read_by[0]),
                     "tensor " + quoted(lost.info.name) +
                         " is written by no step and is no input of the ensemble");
      }
    }
    if (plan_.inputs.empty()) return invalid_argument("no step reads an input of the ensemble");
    return ok_status();
  }

  Status choose_outputs() {
    if (config_.outputs.empty()) {
      for (size_t i = 0; i < writers_.size(); ++i) {
        if (plan_.tensors[i].read_by.empty()) plan_.outputs.push_back(static_cast<int>(i));
      }
    }
    for (const std::string& name : config_.outputs) {
      const auto found = by_name_.find(name);
      if (found == by_name_.end() || !is_written(found->second)) {
        return invalid_argument("output " + quoted(name) +
                                " of the ensemble is written by no step");
      }
      plan_.outputs.push_back(found->second);
    }
    if (plan_.outputs.empty()) return invalid_argument("the ensemble has no output");
    for (const int tensor : plan_.outputs)
      plan_.tensors[static_cast<size_t>(tensor)].is_output = true;
    return ok_status();
  }

  // Runs the steps in thought.
  Status check_order() const {
    std::vector<int> missing;
    std::vector<size_t> ready;
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      missing.push_back(plan_.steps[i].written_inputs);
      if (missing[i] == 0) ready.push_back(i);
    }
    for (size_t done = 0; done < ready.size(); ++done) {
      for (const int tensor : plan_.steps[ready[done]].outputs) {
        if (tensor == EnsemblePlan::kUnwanted) continue;
        for (const int reader : plan_.tensors[static_cast<size_t>(tensor)].read_by) {
          const auto step = static_cast<size_t>(reader);
          if (--missing[step] == 0) ready.push_back(step);
        }
      }
    }
    for (size_t i = 0; i < missing.size(); ++i) {
      if (missing[i] > 0) return error(i, "waits for what comes after it: steps form a circle");
    }
    return ok_status();
  }

  void describe_model() {
    ModelInfo& info = plan_.info;
    info.format = "ensemble";
    info.batchable = true;
    for (const ModelInfo* part : parts_) {
      info.batchable = info.batchable && part->batchable;
      info.macs += part->macs;
    }
    for (const int tensor : plan_.inputs) {
      info.inputs.push_back(plan_.tensors[static_cast<size_t>(tensor)].info);
      info.value_inputs.push_back(is_value(tensor));
    }
    for (const int tensor : plan_.outputs) {
      info.outputs.push_back(plan_.tensors[static_cast<size_t>(tensor)].info);
    }
  }

  // Every reader only computes with it.
  bool is_value(int tensor) const {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const std::vector<int>& inputs = plan_.steps[i].inputs;
      const std::vector<bool>& values = parts_[i]->value_inputs;
      for (size_t k = 0; k < inputs.size(); ++k) {
        if (inputs[k] == tensor && (k >= values.size() || !values[k])) return false;
      }
    }
    return true;
  }

  const config::EnsembleConfig& config_;
  const std::span<const ModelInfo* const> parts_;
  EnsemblePlan plan_;
  std::map<std::string, int> by_name_;
  std::vector<int> writers_;  // of the first tensors: steps. The others are inputs
};

}  // namespace

Result<EnsemblePlan> plan_ensemble(const config::EnsembleConfig& config,
                                   std::span<const ModelInfo* const> parts) {
  return Planner(config, parts).plan();
}

}  // namespace inferd::models
