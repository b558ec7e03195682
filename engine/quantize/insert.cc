// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/insert.h"

#include <algorithm>

#include "engine/ir/activation.h"
#include "engine/quantize/ranges.h"
#include "engine/quantize/weights.h"

namespace inferd::quantize {
namespace {

class Inserter {
 public:
  Inserter(const ir::Graph& graph, const Choice& choice)
      : old_(graph),
        choice_(choice),
        read_as_(graph.value_count(), ir::kNoValue),
        producers_(graph.producers()) {
    result_.graph = graph;
    result_.graph.nodes().clear();
    result_.stored.assign(graph.value_count(), ir::kNoValue);
  }

  QuantizedGraph run() {
    for (const ir::ValueId id : old_.inputs()) round(id);
    for (size_t n = 0; n < old_.nodes().size(); ++n) {
      ir::Node node = old_.nodes()[n];
      const Role role = choice_.assignment.roles[n];
      if (role == Role::kFloat) {
        read_float(node);
      } else {
        read_rounded(node, role);
        drop_implied_activation(node);
      }
      result_.graph.add_node(node);
      for (const ir::ValueId id : node.outputs) round(id);
    }
    rename_outputs();
    return std::move(result_);
  }

 private:
  ir::Graph& graph() { return result_.graph; }
  int group(ir::ValueId id) const { return choice_.assignment.group[static_cast<size_t>(id)]; }
  const Quantization& levels(ir::ValueId id) const {
    return choice_.levels[static_cast<size_t>(group(id))];
  }

  // Float operators read what integer ones made as it was rounded, everything else as it is: an
  // integer operator has no other result.
  bool made_rounded(ir::ValueId id) const {
    const int p = producers_[static_cast<size_t>(id)];
    return p >= 0 && choice_.assignment.roles[static_cast<size_t>(p)] != Role::kFloat;
  }

  void read_float(ir::Node& node) const {
    for (ir::ValueId& id : node.inputs) {
      const ir::ValueId rounded = read_as_[static_cast<size_t>(id)];
      if (rounded != ir::kNoValue && made_rounded(id)) id = rounded;
    }
  }

  void read_rounded(ir::Node& node, Role role) {
    if (role == Role::kInteger && weights_axis(node.kind) >= 0) return read_weights(node);
    const size_t operands = data_inputs(node);
    for (size_t i = 0; i < operands; ++i) {
      const ir::ValueId id = node.inputs[i];
      const ir::Value& v = old_.value(id);
      node.inputs[i] =
          v.is_constant()
              ? dequantized(graph().add_value(stored(v, constant_levels(node, id, role))))
              : read_as_[static_cast<size_t>(id)];
    }
  }

  // What a constant is carried along with is the group's, what is computed with has its own levels.
  Quantization constant_levels(const ir::Node& node, ir::ValueId id, Role role) const {
    if (role == Role::kCarries) return levels(node.outputs[0]);
    Range range;
    for (const float x : floats_of(old_.value(id))) range = range.with({x, x});
    return levels_of(range);
  }

  void read_weights(ir::Node& node) {
    const auto x = static_cast<size_t>(node.inputs[0]);
    const std::span<const float> mean =
        choice_.channel_mean.empty() ? std::span<const float>() : choice_.channel_mean[x];
    IntegerWeights integers =
        integer_weights(old_, node, levels(node.inputs[0]).scale(), choice_.per_channel, mean);
    const bool biased = node.inputs.size() > 2 || !mean.empty();
    node.inputs = {read_as_[x], dequantized(graph().add_value(std::move(integers.weights)))};
    if (biased) node.inputs.push_back(dequantized(graph().add_value(std::move(integers.bias))));
  }

  // Levels that end where a clamp would make it unnecessary.
  void drop_implied_activation(ir::Node& node) const {
    Activation* activation = ir::activation_of(node);
    if (activation == nullptr || activation->none()) return;
    const Quantization& q = levels(node.outputs[0]);
    const Range range = covered(q);
    const float slack = q.scale() * 1e-3F;  // of rounding the scale itself
    if (range.min >= activation->min - slack && range.max <= activation->max + slack) {
      *activation = {};
    }
  }

  ir::ValueId dequantized(ir::ValueId integers) {
    ir::Value v = graph().value(integers);
    v.dtype = DType::kFloat32;
    v.quantization = {};
    v.constant = nullptr;
    v.name += v.name.empty() ? "" : "/dequantized";
    const std::string name = v.name;
    const ir::ValueId id = graph().add_value(std::move(v));
    graph().add_node({OpKind::kDequantize, name, {}, {integers}, {id}});
    return id;
  }

  // Rounds `id` to its levels, if it has any.
  void round(ir::ValueId id) {
    if (group(id) < 0 || old_.value(id).is_constant()) return;
    ir::Value q = old_.value(id);
    q.dtype = DType::kInt8;
    q.quantization = levels(id);
    q.name += q.name.empty() ? "" : "/quantized";
    const std::string name = q.name;
    const ir::ValueId stored = graph().add_value(std::move(q));
    graph().add_node({OpKind::kQuantize, name, {}, {id}, {stored}});
    result_.stored[static_cast<size_t>(id)] = stored;
    read_as_[static_cast<size_t>(id)] = dequantized(stored);
  }

  // An output that an integer operator makes is its rounded form.
  void rename_outputs() {
    for (ir::ValueId& id : graph().outputs()) {
      const ir::ValueId rounded = read_as_[static_cast<size_t>(id)];
      if (rounded == ir::kNoValue || !made_rounded(id)) continue;
      graph().value(rounded).name = old_.value(id).name;
      graph().value(id).name.clear();
      id = rounded;
    }
  }

  const ir::Graph& old_;
  const Choice& choice_;
  std::vector<ir::ValueId> read_as_;  // by value: dequantized form
  const std::vector<int> producers_;
  QuantizedGraph result_;
};

}  // namespace

QuantizedGraph insert_levels(const ir::Graph& graph, const Choice& choice) {
  return Inserter(graph, choice).run();
}

}  // namespace inferd::quantize
