// SPDX-License-Identifier: Apache-2.0
//
// The graph between importers and planner: typed values and the nodes that make them, in
// topological order, each value made once (SSA).
//
// Ownership: a Graph owns its nodes and values; constants are shared, so that copying a graph
// copies no weights. Threads: none of its own; const access from several threads is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/constant.h"
#include "engine/base/op.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::ir {

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;

struct Value {
  std::string name;  // from the model file; may be empty for values that passes made
  DType dtype = DType::kFloat32;
  Shape shape;               // kDynamicDim where it depends on a request
  bool shape_known = false;  // false: not even the rank is known
  Quantization quantization;
  std::shared_ptr<const Constant> constant;  // null: computed or a graph input

  bool is_constant() const { return constant != nullptr; }
};

class Graph;
class LateOp;

struct Node {
  OpKind kind = OpKind::kReshape;
  std::string name;  // the model file's name for it, or "op_index"; for messages and profiles
  OpAttrs attrs;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  // kIf: what runs if the condition holds, and if not; kLoop: what is repeated. The inputs of a
  // body are the node's own, but for an if's condition.
  std::vector<std::shared_ptr<const Graph>> bodies = {};
  std::shared_ptr<const LateOp> late = nullptr;  // of kLate
};

class Graph {
 public:
  // Building blocks; the Builder is more comfortable. Ids are dense from 0.
  ValueId add_value(Value value);
  // Precondition: every input exists. Keep topological order: inputs are made by earlier nodes.
  void add_node(Node node);

  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  size_t value_count() const { return values_.size(); }

  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }

  std::vector<ValueId>& inputs() { return inputs_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  std::vector<ValueId>& outputs() { return outputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }

  // What the model remembers from run to run: the last inputs() and outputs() are states, one
  // output for each input, and this is what each begins as (null: zeros).
  std::vector<std::shared_ptr<const Constant>>& initial_states() { return initial_states_; }
  const std::vector<std::shared_ptr<const Constant>>& initial_states() const {
    return initial_states_;
  }

  // Index of the node that makes each value, -1 for inputs and constants.
  std::vector<int> producers() const;
  // How many node inputs and graph outputs use each value.
  std::vector<int> use_counts() const;
  // Rewrites every use of `from` (node inputs and graph outputs) to `to`.
  void replace_uses(ValueId from, ValueId to);
  // Drops nodes none of whose outputs is used, and what was known of values that are gone with them
  // (their ids stay).
  void remove_dead();

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<std::shared_ptr<const Constant>> initial_states_;
};

// Integers of a constant int32 or int64 value. Fails with FAILED_PRECONDITION when it is not
// constant, and INVALID_ARGUMENT when it is of another type.
Result<std::vector<int64_t>> constant_ints(const Graph& graph, ValueId id);

// Checks the rules that everything after import relies on: ids in range, topological order, each
// value made once, arity and types per the ops table, attributes in range, constants of the right
// byte size, quantization vectors that fit. Fails with INVALID_ARGUMENT that names the node.
Status verify(const Graph& graph);

// "conv2d 'name'", "binary div 'name'"; for messages.
std::string title(const Node& node);

// Human-readable text, one line per node; for `inferctl inspect`, logs and pass tests.
std::string to_text(const Graph& graph);

}  // namespace inferd::ir
