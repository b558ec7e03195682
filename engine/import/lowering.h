// SPDX-License-Identifier: Apache-2.0
//
// What the lowerings of all formats share: the map from the file's tensor names to ir values, typed
// access to attributes, and the rule that unsupported operators are collected while everything else
// is an error. Private to import.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/import/foreign_graph.h"
#include "engine/ir/builder.h"

namespace inferd::import {

class Lowering {
 public:
  explicit Lowering(const ForeignGraph& foreign) : foreign_(foreign), builder_(graph_) {}
  Lowering(const Lowering&) = delete;
  Lowering& operator=(const Lowering&) = delete;

  const ForeignGraph& foreign() const { return foreign_; }
  ir::Builder& builder() { return builder_; }
  const ir::Graph& graph() const { return graph_; }

  // The value of a tensor name: a graph input, a constant (made at first use), or what an earlier
  // node made. INVALID_ARGUMENT when there is none: unknown, used before it is made, or part of a
  // cycle. UNIMPLEMENTED when the engine cannot have it.
  Result<ir::ValueId> value(const std::string& name);
  const ir::Value& info(ir::ValueId id) const { return graph_.value(id); }
  const ForeignTensor* tensor(const std::string& name) const;

  // Inputs of a node; `has` is false for an optional one that is absent.
  bool has(const ForeignNode& node, size_t i) const;
  Result<ir::ValueId> input(const ForeignNode& node, size_t i);
  // Integers of a constant input; UNIMPLEMENTED when it is computed.
  Result<std::vector<int64_t>> ints(const ForeignNode& node, size_t i);
  Result<float> scalar(const ForeignNode& node, size_t i);
  // A non-negative axis of `x`, or INVALID_ARGUMENT; UNIMPLEMENTED when its rank is unknown.
  Result<int> axis(int64_t axis, ir::ValueId x) const;
  // UNIMPLEMENTED when not even the rank of `x` is known.
  Status known_rank(ir::ValueId x) const;

  // Makes `id` the value of the node's output i. INVALID_ARGUMENT when the file declares another
  // shape for it.
  Status set_output(const ForeignNode& node, size_t i, ir::ValueId id);

  static int64_t int_attr(const ForeignNode& node, const std::string& name, int64_t fallback);
  static float float_attr(const ForeignNode& node, const std::string& name, float fallback);
  static std::string text_attr(const ForeignNode& node, const std::string& name,
                               const std::string& fallback);
  static std::vector<int64_t> ints_attr(const ForeignNode& node, const std::string& name);
  static bool has_attr(const ForeignNode& node, const std::string& name) {
    return node.attrs.contains(name);
  }

  // Lowers every node with `lower`, which returns UNIMPLEMENTED for what the engine cannot do;
  // those are collected. Then sets the graph's outputs.
  using LowerNode = Status (*)(Lowering&, const ForeignNode&);
  Result<ir::Graph> run(LowerNode (*find)(const ForeignGraph&, const ForeignNode&),
                        std::vector<UnsupportedOp>* unsupported);

 private:
  Status check_names();
  Status add_inputs(std::vector<UnsupportedOp>* unsupported);
  Status lower_node(LowerNode lower, const ForeignNode& node);
  // After an unsupported node: values of the declared types, so that later nodes can still be
  // looked at.
  void stand_in(const ForeignNode& node);

  const ForeignGraph& foreign_;
  ir::Graph graph_;
  ir::Builder builder_;
  std::map<std::string, ir::ValueId> values_;
  std::set<std::string> made_;      // names of all nodes' outputs
  std::set<std::string> left_out_;  // outputs that lowering a node did not make (Dropout's mask)
};

// Padding for ceil(in / stride) outputs, TensorFlow's SAME: the odd pixel at the end, or at the
// start with `odd_first`. UNIMPLEMENTED when `in` is unknown, INVALID_ARGUMENT when the padding is
// absurd.
Status same_padding(int64_t in, int kernel, int stride, int dilation, bool odd_first, int* before,
                    int* after);

// All of a tensor of `rank` dimensions, to be narrowed.
SliceAttrs whole_slice(int rank);

// A non-negative axis, or INVALID_ARGUMENT.
Result<int> normalize_axis(int64_t axis, int rank);

}  // namespace inferd::import
