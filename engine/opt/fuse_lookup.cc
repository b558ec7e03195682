// SPDX-License-Identifier: Apache-2.0
//
// Several element-by-element operators between one 8-bit value and another are one table of 256
// bytes: quantize(x * sigmoid(x)) with its roundings in between, an activation followed by another
// quantization, ... The table is what the operators themselves make of every byte.
#include <map>
#include <optional>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool is_8bit(const ir::Value& v) {
  return (v.dtype == DType::kInt8 || v.dtype == DType::kUInt8) && !v.quantization.empty() &&
         !v.quantization.per_channel() && v.shape_known;
}

bool is_table_operator(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kUnary:
    case OpKind::kClamp:
    case OpKind::kRequantize:
    case OpKind::kLookup:
    case OpKind::kBinary:
      return true;
    default:
      return false;
  }
}

// What a value is of another one, element by element.
struct Function {
  ir::ValueId source;
  // 256 bytes: the value's stored byte for each of the source's
  std::shared_ptr<const Constant> table;
  int operators;
};

class Fuser {
 public:
  Fuser(ir::Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  Result<bool> run() {
    bool changed = false;
    for (ir::Node& node : graph_.nodes()) {
      if (!is_table_operator(node) || !is_8bit(graph_.value(node.outputs[0]))) continue;
      INFERD_ASSIGN_OR_RETURN(std::optional<Function> f, function_of(node));
      if (!f) continue;
      if (f->operators > 1) {
        changed |= node.kind != OpKind::kLookup || node.inputs[0] != f->source;
        use_table(&node, *f);
      }
      functions_.emplace(node.outputs[0], std::move(*f));
    }
    return changed;
  }

 private:
  // The one value that all computed operands are functions of; nothing when there are several.
  std::optional<ir::ValueId> source_of(const ir::Node& node) const {
    std::optional<ir::ValueId> source;
    const Shape& shape = graph_.value(node.outputs[0]).shape;
    const size_t operands = node.kind == OpKind::kLookup ? 1 : node.inputs.size();
    for (size_t i = 0; i < operands; ++i) {
      const ir::Value& v = graph_.value(node.inputs[i]);
      if (!is_8bit(v)) return std::nullopt;
      if (v.is_constant()) {
        if (v.shape.elements() != 1) return std::nullopt;
        continue;
      }
      const auto it = functions_.find(node.inputs[i]);
      const ir::ValueId from = it == functions_.end() ? node.inputs[i] : it->second.source;
      if ((source && *source != from) || !(v.shape == shape)) return std::nullopt;
      source = from;
    }
    return source;
  }

  Result<std::optional<Function>> function_of(const ir::Node& node) const {
    const std::optional<ir::ValueId> source = source_of(node);
    if (!source) return std::optional<Function>();
    Function f{.source = *source, .table = {}, .operators = 1};
    // The node alone, its operands being what they are for every byte of the source.
    ir::Graph every;
    ir::Node copy = node;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ir::Value v = graph_.value(node.inputs[i]);
      if (!v.is_constant()) {
        const auto it = functions_.find(node.inputs[i]);
        if (it != functions_.end()) f.operators = std::max(f.operators, it->second.operators + 1);
        v.shape = {256};
        v.constant = it == functions_.end() ? all_bytes() : it->second.table;
      }
      copy.inputs[i] = every.add_value(std::move(v));
    }
    ir::Value y = graph_.value(node.outputs[0]);
    y.shape = {256};
    copy.outputs = {every.add_value(std::move(y))};
    Result<std::vector<std::shared_ptr<const Constant>>> values = context_.evaluate(every, copy);
    if (!values.ok()) {
      if (values.status().code() == StatusCode::kUnimplemented) return std::optional<Function>();
      return values.status();
    }
    f.table = std::move((*values)[0]);
    return std::optional<Function>(std::move(f));
  }

  static std::shared_ptr<const Constant> all_bytes() {
    std::vector<std::byte> bytes(256);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
    return Constant::own(std::move(bytes));
  }

  void use_table(ir::Node* node, const Function& f) {
    const ir::Value& y = graph_.value(node->outputs[0]);
    ir::Value table;
    table.name = node->name + "/table";
    table.dtype = y.dtype;
    table.shape = {256};
    table.shape_known = true;
    table.quantization = y.quantization;
    table.constant = f.table;
    node->kind = OpKind::kLookup;
    node->attrs = {};
    node->inputs = {f.source, graph_.add_value(std::move(table))};
  }

  ir::Graph& graph_;
  const PassContext& context_;
  std::map<ir::ValueId, Function> functions_;
};

}  // namespace

Result<bool> fuse_lookup(ir::Graph& graph, const PassContext& context) {
  return Fuser(graph, context).run();
}

}  // namespace inferd::opt
