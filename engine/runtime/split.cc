// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/split.h"

#include <algorithm>
#include <set>
#include <string>

#include "engine/ir/late.h"
#include "engine/ir/ops.h"

namespace inferd::runtime {
namespace {

using ir::ValueId;

bool has_static_shape(const ir::Value& value) {
  return value.shape_known && value.shape.is_static();
}

bool waits(const ir::Graph& graph, const ir::Node& node) {
  return ir::runs_in_stages(node.kind) ||
         !std::all_of(node.outputs.begin(), node.outputs.end(),
                      [&](ValueId id) { return has_static_shape(graph.value(id)); });
}

class Splitter {
 public:
  explicit Splitter(const ir::Graph& graph)
      : graph_(graph), available_(graph.value_count(), false) {}

  Result<Split> run() {
    for (ValueId id : graph_.inputs()) available_[index(id)] = true;
    std::vector<ir::Node> now;
    std::vector<ir::Node> rest;
    for (const ir::Node& node : graph_.nodes()) {
      const bool runs = !waits(graph_, node) && has_inputs(node);
      if (runs) make_available(node);
      (runs ? now : rest).push_back(node);
    }
    const auto loop = std::find_if(rest.begin(), rest.end(), [&](const ir::Node& node) {
      return node.kind == OpKind::kLoop && has_inputs(node);
    });
    if (loop != rest.end()) {
      split_.loop = *loop;
      rest.erase(loop);
    } else {
      INFERD_RETURN_IF_ERROR(find_bound(rest));
    }
    cut(std::move(now), std::move(rest));
    return std::move(split_);
  }

 private:
  static size_t index(ValueId id) { return static_cast<size_t>(id); }

  bool is_available(ValueId id) const {
    return available_[index(id)] || graph_.value(id).is_constant();
  }
  bool has_inputs(const ir::Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId id) { return is_available(id); });
  }
  void make_available(const ir::Node& node) {
    for (ValueId id : node.outputs) available_[index(id)] = true;
  }

  // Inputs of `node` whose numbers decide what it makes, as far as they are not known yet.
  std::vector<ValueId> deciding(const ir::Node& node) const {
    std::vector<ValueId> ids;
    const auto add = [&](size_t i) {
      if (!graph_.value(node.inputs[i]).is_constant()) ids.push_back(node.inputs[i]);
    };
    switch (node.kind) {
      case OpKind::kIf:
        add(0);
        break;
      case OpKind::kReshape:
      case OpKind::kExpand:
      case OpKind::kTrim:
      case OpKind::kTile:
      case OpKind::kOneHot:
      case OpKind::kTopK:
        if (node.inputs.size() > 1) add(1);
        break;
      case OpKind::kRange:
        for (size_t i = 0; i < node.inputs.size(); ++i) add(i);
        break;
      case OpKind::kLate:
        // The first is what it works on, unless it has nothing else.
        for (size_t i = 1; i < node.inputs.size(); ++i) add(i);
        if (ids.empty() && !node.inputs.empty()) add(0);
        break;
      default:
        break;
    }
    return ids;
  }

  // Of the first operators that wait.
  Status find_bound(const std::vector<ir::Node>& rest) {
    for (const ir::Node& node : rest) {
      if (!has_inputs(node)) continue;
      const std::vector<ValueId> ids = deciding(node);
      if (ids.empty()) {
        const std::string kind(node.late != nullptr ? node.late->op() : op_name(node.kind));
        return unimplemented(kind + " '" + node.name +
                             "': the shape of its output depends on data that nothing tells");
      }
      bound_.insert(ids.begin(), ids.end());
    }
    return ok_status();
  }

  void cut(std::vector<ir::Node> now, std::vector<ir::Node> rest) {
    std::set<ValueId> made;     // by `rest`
    std::vector<ValueId> used;  // by `rest`, each once, in order
    std::set<ValueId> seen;
    for (const ir::Node& node : rest) made.insert(node.outputs.begin(), node.outputs.end());
    const auto use = [&](ValueId id) {
      if (!made.contains(id) && !graph_.value(id).is_constant() && seen.insert(id).second) {
        used.push_back(id);
      }
    };
    for (const ir::Node& node : rest) std::for_each(node.inputs.begin(), node.inputs.end(), use);
    std::for_each(graph_.outputs().begin(), graph_.outputs().end(), use);

    split_.rest = graph_;
    split_.rest.nodes() = std::move(rest);
    split_.rest.inputs() = used;
    for (size_t i = 0; i < used.size(); ++i) {
      if (bound_.contains(used[i])) split_.bound.push_back(i);
    }

    std::set<ValueId> made_now;
    for (const ir::Node& node : now) made_now.insert(node.outputs.begin(), node.outputs.end());
    split_.now = graph_;
    split_.now.nodes() = std::move(now);
    split_.now.outputs().clear();
    const auto keep = [&](ValueId id) {
      if (made_now.erase(id) > 0) split_.now.outputs().push_back(id);
    };
    std::for_each(used.begin(), used.end(), keep);
    if (split_.loop) {
      for (ValueId id : split_.loop->inputs) {
        keep(id);
        // The loop takes what starts as a constant from here.
        auto& outputs = split_.now.outputs();
        const bool is_new = std::find(outputs.begin(), outputs.end(), id) == outputs.end();
        if (graph_.value(id).is_constant() && is_new) outputs.push_back(id);
      }
    }
    split_.now.remove_dead();
    split_.rest.remove_dead();
  }

  const ir::Graph& graph_;
  std::vector<bool> available_;  // by value: an input, or made by what runs now
  std::set<ValueId> bound_;
  Split split_;
};

}  // namespace

bool can_be_planned(const ir::Graph& graph) {
  return std::none_of(graph.nodes().begin(), graph.nodes().end(),
                      [&](const ir::Node& node) { return waits(graph, node); });
}

Result<Split> split(const ir::Graph& graph) { return Splitter(graph).run(); }

}  // namespace inferd::runtime
