// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/graph.h"

#include <algorithm>
#include <cstring>

namespace inferd::ir {

ValueId Graph::add_value(Value value) {
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

void Graph::add_node(Node node) { nodes_.push_back(std::move(node)); }

std::vector<int> Graph::producers() const {
  std::vector<int> producer(values_.size(), -1);
  for (size_t n = 0; n < nodes_.size(); ++n) {
    for (ValueId id : nodes_[n].outputs) producer[static_cast<size_t>(id)] = static_cast<int>(n);
  }
  return producer;
}

std::vector<int> Graph::use_counts() const {
  std::vector<int> uses(values_.size(), 0);
  for (const Node& node : nodes_) {
    for (ValueId id : node.inputs) ++uses[static_cast<size_t>(id)];
  }
  for (ValueId id : outputs_) ++uses[static_cast<size_t>(id)];
  return uses;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes_) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs_.begin(), outputs_.end(), from, to);
}

void Graph::remove_dead() {
  std::vector<bool> used(values_.size(), false);
  for (ValueId id : outputs_) used[static_cast<size_t>(id)] = true;
  std::vector<Node> alive;
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    const bool needed = std::any_of(node->outputs.begin(), node->outputs.end(),
                                    [&](ValueId id) { return used[static_cast<size_t>(id)]; });
    if (!needed) continue;
    for (ValueId id : node->inputs) used[static_cast<size_t>(id)] = true;
    alive.push_back(std::move(*node));
  }
  std::reverse(alive.begin(), alive.end());
  nodes_ = std::move(alive);
  for (const Node& node : nodes_) {
    for (ValueId id : node.outputs) used[static_cast<size_t>(id)] = true;
  }
  for (ValueId id : inputs_) used[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!used[i]) values_[i] = Value();
  }
}

Result<std::vector<int64_t>> constant_ints(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (!value.is_constant()) {
    return failed_precondition("'" + value.name + "' is not a constant");
  }
  if (value.dtype != DType::kInt64 && value.dtype != DType::kInt32) {
    return invalid_argument("'" + value.name + "' has type " +
                            std::string(dtype_name(value.dtype)) + ", not INT32 or INT64");
  }
  const std::span<const std::byte> data = value.constant->bytes();
  std::vector<int64_t> ints;
  if (data.empty()) return ints;  // may have no address to copy from
  if (value.dtype == DType::kInt64) {
    ints.resize(data.size() / sizeof(int64_t));
    std::memcpy(ints.data(), data.data(), ints.size() * sizeof(int64_t));
  } else {
    std::vector<int32_t> narrow(data.size() / sizeof(int32_t));
    std::memcpy(narrow.data(), data.data(), narrow.size() * sizeof(int32_t));
    ints.assign(narrow.begin(), narrow.end());
  }
  return ints;
}

}  // namespace inferd::ir
