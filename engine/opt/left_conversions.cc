// SPDX-License-Identifier: Apache-2.0
//
// Tells where an optimised graph still converts between 8-bit and float32 numbers, and why: in the
// words of quantize_operators where it declined, otherwise by what the graph lacks for it to try.
#include <algorithm>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

class Explainer {
 public:
  Explainer(const ir::Graph& graph, const Declined& declined)
      : graph_(graph), producers_(graph.producers()), declined_(declined) {}

  std::vector<LeftConversion> run() const {
    std::vector<LeftConversion> left;
    for (const ir::Node& node : graph_.nodes()) {
      const bool quantizes = node.kind == OpKind::kQuantize;
      if (!quantizes && !(node.kind == OpKind::kDequantize && is_quantized(node.inputs[0]))) {
        continue;
      }
      const std::string reason = quantizes ? why_before(node) : why_after(node);
      if (!reason.empty()) left.push_back({std::string(op_name(node.kind)), node.name, reason});
    }
    return left;
  }

 private:
  bool is_quantized(ir::ValueId id) const { return !graph_.value(id).quantization.empty(); }

  // Why the operator that makes what `quantize` reads works in float32; nothing at a graph input.
  std::string why_before(const ir::Node& quantize) const {
    const int p = producers_[static_cast<size_t>(quantize.inputs[0])];
    return p < 0 ? "" : why_float(static_cast<size_t>(p));
  }

  // Why the operators that read what `dequantize` makes work in float32; nothing at a graph output.
  std::string why_after(const ir::Node& dequantize) const {
    std::string reasons;
    for (const size_t n : readers(dequantize.outputs[0])) {
      const std::string reason = why_float(n);
      if (reasons.find(reason) != std::string::npos) continue;
      reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    return reasons;
  }

  std::string why_float(size_t n) const {
    const ir::Node& node = graph_.nodes()[n];
    if (const auto it = declined_.find(node.name); it != declined_.end()) return it->second;
    std::string quantized_by;
    std::string others;
    const auto add = [&](const std::string& reader) {
      others += (others.empty() ? "" : ", ") + reader;
    };
    for (const ir::ValueId y : node.outputs) {
      for (const size_t reader : readers(y)) {
        const ir::Node& r = graph_.nodes()[reader];
        if (r.kind == OpKind::kQuantize) {
          quantized_by = r.name;
        } else {
          add(ir::title(r));
        }
      }
      const auto& outputs = graph_.outputs();
      if (std::find(outputs.begin(), outputs.end(), y) != outputs.end()) {
        add("the graph's output '" + graph_.value(y).name + "'");
      }
    }
    if (quantized_by.empty()) return "nothing quantizes the result of " + ir::title(node);
    if (!others.empty()) {
      return "the result of " + ir::title(node) + " is also read as float32 by " + others;
    }
    return "the quantization before and after " + ir::title(node) +
           " is not one scale for the whole tensor";
  }

  std::vector<size_t> readers(ir::ValueId id) const {
    std::vector<size_t> indices;
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const std::vector<ir::ValueId>& inputs = graph_.nodes()[n].inputs;
      if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) indices.push_back(n);
    }
    return indices;
  }

  const ir::Graph& graph_;
  const std::vector<int> producers_;
  const Declined& declined_;
};

}  // namespace

std::vector<LeftConversion> left_conversions(const ir::Graph& graph, const Declined& declined) {
  return Explainer(graph, declined).run();
}

}  // namespace inferd::opt
