// SPDX-License-Identifier: Apache-2.0
//
// What the lowerings of all formats share: the map from the file's tensor names to ir values, typed
// access to attributes, and what becomes of operators that cannot be lowered. Private to import.
//
// A function that lowers an operator returns
//   UNIMPLEMENTED        for what the engine cannot do; these are collected, all of a model
//   FAILED_PRECONDITION  for what it cannot say before shapes or values of inputs are known: a late
//                        operator takes its place and the function is called again when they are
//   INVALID_ARGUMENT     for what is against the format's rules
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
  explicit Lowering(const ForeignGraph& foreign)
      : foreign_(foreign), own_builder_(own_graph_), builder_(own_builder_) {}
  Lowering(const Lowering&) = delete;
  Lowering& operator=(const Lowering&) = delete;

  const ForeignGraph& foreign() const { return foreign_; }
  ir::Builder& builder() { return builder_; }
  const ir::Graph& graph() const { return builder_.graph(); }

  // The value of a tensor name: a graph input, a constant (made at first use), or what an earlier
  // node made. INVALID_ARGUMENT when there is none: unknown, used before it is made, or part of a
  // cycle. UNIMPLEMENTED when the engine cannot have it, FAILED_PRECONDITION when its type is known
  // only later.
  Result<ir::ValueId> value(const std::string& name);
  const ir::Value& info(ir::ValueId id) const { return graph().value(id); }
  const ForeignTensor* tensor(const std::string& name) const;

  // Inputs of a node; `has` is false for an optional one that is absent.
  bool has(const ForeignNode& node, size_t i) const;
  Result<ir::ValueId> input(const ForeignNode& node, size_t i);
  // Like input(), for a value that has `dtype` by the format's rules if its type is known only
  // later.
  Result<ir::ValueId> input_of(const ForeignNode& node, size_t i, DType dtype);
  // Like input(), also where its type is known only later.
  Result<ir::ValueId> untyped_input(const ForeignNode& node, size_t i);
  // Numbers of a constant input; FAILED_PRECONDITION when it is computed.
  Result<std::vector<int64_t>> ints(const ForeignNode& node, size_t i);
  Result<float> scalar(const ForeignNode& node, size_t i);
  // A non-negative axis of `x`, or INVALID_ARGUMENT; FAILED_PRECONDITION when its rank is unknown.
  Result<int> axis(int64_t axis, ir::ValueId x) const;
  // FAILED_PRECONDITION when not even the rank of `x` is known.
  Status known_rank(ir::ValueId x) const;

  // Makes `id` the value of the node's output i. INVALID_ARGUMENT when the file declares another
  // shape for it.
  Status set_output(const ForeignNode& node, size_t i, ir::ValueId id);

  // The body of an if or a loop. It may use values of this graph by name: captured.
  struct Body {
    std::shared_ptr<ir::Graph> graph;   // inputs: those given, then one for each of `captured`
    std::vector<ir::ValueId> captured;  // of this graph
    std::vector<bool> untyped;          // each output: its type is known only later
  };
  // How a body's first inputs are typed: as these values of this graph, or as said.
  struct BodyInput {
    DType dtype = DType::kFloat32;
    Shape shape;
    bool shape_known = true;
    Quantization quantization = {};
    bool untyped = false;  // its type is known only later
  };
  // What it lacks is collected as run() does.
  Result<Body> lower_body(const ForeignGraph& body, std::span<const BodyInput> inputs);
  // Lowers a closed body into this graph, with `inputs` for its inputs. Returns its outputs.
  Result<std::vector<ir::ValueId>> inline_body(const ForeignGraph& body,
                                               std::span<const ir::ValueId> inputs);

  // A list of tensors that exists only while a model is lowered. Null: `name` is none.
  void set_sequence(const std::string& name, std::vector<ir::ValueId> tensors) {
    sequences_[name] = std::move(tensors);
  }
  const std::vector<ir::ValueId>* sequence(const std::string& name) const;

  // Of node outputs whose types are known only later.
  void set_untyped(ir::ValueId id) { untyped_.insert(id); }
  bool is_untyped(ir::ValueId id) const { return untyped_.contains(id); }

  static int64_t int_attr(const ForeignNode& node, const std::string& name, int64_t fallback);
  static float float_attr(const ForeignNode& node, const std::string& name, float fallback);
  static std::string text_attr(const ForeignNode& node, const std::string& name,
                               const std::string& fallback);
  static std::vector<int64_t> ints_attr(const ForeignNode& node, const std::string& name);
  static bool has_attr(const ForeignNode& node, const std::string& name) {
    return node.attrs.contains(name);
  }

  using LowerNode = Status (*)(Lowering&, const ForeignNode&);

  using Find = LowerNode (*)(const ForeignGraph&, const ForeignNode&);

  // Lowers every node with what `find` returns for it (null: the engine lacks the operator),
  // collects those that are not supported, and sets the graph's outputs.
  Result<ir::Graph> run(Find find, std::vector<UnsupportedOp>* unsupported);

  // Lowers `node` alone into `builder`, with `inputs` for its inputs (kNoValue where one is
  // absent); returns its outputs. `foreign` tells opsets. Errors of `lower`.
  static Result<std::vector<ir::ValueId>> run_node(const ForeignGraph& foreign, LowerNode lower,
                                                   const ForeignNode& node, ir::Builder& builder,
                                                   std::span<const ir::ValueId> inputs);

 private:
  Lowering(const ForeignGraph& foreign, ir::Builder& builder)
      : foreign_(foreign), own_builder_(own_graph_), builder_(builder) {}

  Lowering(const ForeignGraph& body, Lowering& outer)
      : foreign_(body), own_builder_(own_graph_), builder_(own_builder_), outer_(&outer) {}

  Status check_names();
  Status check_body(const ForeignGraph& body, size_t inputs) const;
  Status lower_nodes();
  Result<ir::ValueId> named(ir::ValueId id, const std::string& name);
  Status set_outputs();
  Result<ir::ValueId> capture(const std::string& name);
  Status add_inputs(std::vector<UnsupportedOp>* unsupported);
  Status lower_node(LowerNode lower, const ForeignNode& node);
  // After an unsupported node: values of the declared types, so that later nodes can still be
  // looked at.
  void stand_in(const ForeignNode& node);

  // Adds an operator to be lowered by `lower` later.
  Status postpone(LowerNode lower, const ForeignNode& node);

  const ForeignGraph& foreign_;
  ir::Graph own_graph_;
  ir::Builder own_builder_;
  ir::Builder& builder_;  // own_builder_, or that of a graph in which one node is lowered late
  Find find_ = nullptr;
  std::vector<UnsupportedOp>* unsupported_ = nullptr;
  Lowering* outer_ = nullptr;           // of a body: what lowers the graph around it
  std::vector<ir::ValueId> captured_;   // of a body: values of `outer_`
  std::vector<ir::ValueId> capturing_;  // and the inputs that stand for them
  std::map<std::string, std::vector<ir::ValueId>> sequences_;
  std::map<std::string, ir::ValueId> values_;
  std::set<std::string> made_;      // names of all nodes' outputs
  std::set<std::string> left_out_;  // outputs that lowering a node did not make (Dropout's mask)
  std::set<ir::ValueId> untyped_;  // of late operators, where the file does not declare their types
};

// Padding for ceil(in / stride) outputs, TensorFlow's SAME: the odd pixel at the end, or at the
// start with `odd_first`. FAILED_PRECONDITION when `in` is unknown, INVALID_ARGUMENT when the
// padding is absurd.
Status same_padding(int64_t in, int kernel, int stride, int dilation, bool odd_first, int* before,
                    int* after);

// A seed for random numbers of an operator that has none: the hash of its name (FNV-1a).
int64_t name_seed(std::string_view name);

// All of a tensor of `rank` dimensions, to be narrowed.
SliceAttrs whole_slice(int rank);

// A non-negative axis, or INVALID_ARGUMENT.
Result<int> normalize_axis(int64_t axis, int rank);

}  // namespace inferd::import
