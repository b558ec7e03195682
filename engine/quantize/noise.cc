// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/noise.h"

#include <cmath>
#include <set>

namespace inferd::quantize {
namespace {

// Sums of squares over all samples.
struct Power {
  double signal = 0, noise = 0;

  void add(double expected, double got) {
    signal += expected * expected;
    noise += (expected - got) * (expected - got);
  }
  double decibels() const {
    if (noise == 0) return std::numeric_limits<double>::infinity();
    return 10 * std::log10(signal / noise);
  }
};

void compare(const TensorView& expected, const TensorView& got, const Quantization& q,
             Power* power) {
  const auto numbers = expected.as<float>();
  if (got.dtype == DType::kFloat32) {
    const auto others = got.as<float>();
    for (size_t i = 0; i < numbers.size(); ++i) power->add(double{numbers[i]}, double{others[i]});
    return;
  }
  const auto stored = got.as<int8_t>();
  for (size_t i = 0; i < numbers.size(); ++i) {
    power->add(double{numbers[i]}, double{q.scale()} * (stored[i] - q.zero_point()));
  }
}

int64_t constant_bytes(const ir::Graph& graph) {
  std::set<const Constant*> counted;
  int64_t bytes = 0;
  for (const ir::Node& node : graph.nodes()) {
    for (const ir::ValueId id : node.inputs) {
      const auto& constant = graph.value(id).constant;
      if (constant == nullptr || !counted.insert(constant.get()).second) continue;
      bytes += static_cast<int64_t>(constant->size());
    }
  }
  return bytes;
}

}  // namespace

Result<QuantizeReport> measure_noise(const ir::Graph& graph, const QuantizedGraph& quantized,
                                     const Assignment& assignment, const Work& work) {
  std::vector<Pair> pairs;
  QuantizeReport report;
  std::vector<size_t> pair_of_layer;
  constexpr size_t kNone = static_cast<size_t>(-1);
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    const bool integer = assignment.roles[n] == Role::kInteger;
    report.layers.push_back({.name = node.name,
                             .op = std::string(op_name(node.kind)),
                             .quantized = assignment.roles[n] != Role::kFloat});
    const ir::ValueId stored = quantized.stored[static_cast<size_t>(node.outputs[0])];
    pair_of_layer.push_back(integer && stored != ir::kNoValue ? pairs.size() : kNone);
    if (pair_of_layer.back() != kNone) pairs.push_back({node.outputs[0], stored});
  }
  const size_t first_output = pairs.size();
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const ir::ValueId before = graph.outputs()[i];
    if (graph.value(before).dtype != DType::kFloat32) continue;
    pairs.push_back({before, quantized.graph.outputs()[i]});
    report.outputs.push_back({.name = graph.value(before).name, .op = "output"});
  }

  std::vector<Power> powers(pairs.size());
  INFERD_RETURN_IF_ERROR(observe_both(
      graph, quantized.graph, pairs, work, "measuring noise",
      [&](size_t i, const TensorView& expected, const TensorView& got) {
        compare(expected, got, quantized.graph.value(pairs[i].in_second).quantization, &powers[i]);
      }));
  for (size_t n = 0; n < report.layers.size(); ++n) {
    if (pair_of_layer[n] != kNone) report.layers[n].sqnr_db = powers[pair_of_layer[n]].decibels();
  }
  for (size_t i = 0; i < report.outputs.size(); ++i) {
    report.outputs[i].sqnr_db = powers[first_output + i].decibels();
  }
  report.weights_bytes_before = constant_bytes(graph);
  report.weights_bytes_after = constant_bytes(quantized.graph);
  return report;
}

}  // namespace inferd::quantize
