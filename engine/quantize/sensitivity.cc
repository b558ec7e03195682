// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/sensitivity.h"

#include <algorithm>
#include <numeric>

#include "engine/ir/ops.h"

namespace inferd::quantize {
namespace {

constexpr size_t kMostSamples = 8;  // noise differs little between samples
constexpr double kWorthwhile = 0.01;

// Operators that are float32 together or not at all.
struct Unit {
  std::vector<size_t> nodes;
  double work = 0;
  double noise = 0;
};

double work_of(const ir::Graph& graph, const ir::Node& node) {
  const auto macs = ir::op_info(node.kind).macs;
  int64_t work = macs == nullptr ? 0 : macs(graph, node);
  for (const auto& ids : {node.inputs, node.outputs}) {
    for (const ir::ValueId id : ids) {
      if (!graph.value(id).is_constant()) work += graph.value(id).shape.elements();
    }
  }
  return static_cast<double>(work);
}

std::vector<Unit> units_of(const ir::Graph& graph, const Assignment& assignment) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  std::vector<int> unit_of(graph.nodes().size(), -1);
  std::vector<Unit> units;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    if (assignment.roles[n] != Role::kInteger) continue;
    const ir::ValueId x = node.inputs[0];
    const int before = producers[static_cast<size_t>(x)];
    const bool follows = node.kind == OpKind::kUnary && before >= 0 &&
                         uses[static_cast<size_t>(x)] == 1 &&
                         unit_of[static_cast<size_t>(before)] >= 0;
    if (!follows) units.emplace_back();
    unit_of[n] =
        follows ? unit_of[static_cast<size_t>(before)] : static_cast<int>(units.size()) - 1;
    Unit& unit = units[static_cast<size_t>(unit_of[n])];
    unit.nodes.push_back(n);
    unit.work += work_of(graph, node);
  }
  return units;
}

// `all`, of which only `unit` is left quantized.
Assignment only(const ir::Graph& graph, const Assignment& all, const Unit& unit) {
  Assignment one{.roles = std::vector<Role>(all.roles.size(), Role::kFloat),
                 .group = std::vector<int>(all.group.size(), -1),
                 .groups = all.groups};
  for (const size_t n : unit.nodes) {
    one.roles[n] = all.roles[n];
    for (const auto& ids : {graph.nodes()[n].inputs, graph.nodes()[n].outputs}) {
      for (const ir::ValueId id : ids) {
        one.group[static_cast<size_t>(id)] = all.group[static_cast<size_t>(id)];
      }
    }
  }
  return one;
}

class NoiseMeter {
 public:
  NoiseMeter(const ir::Graph& graph, const Choice& choice, const Work& work)
      : graph_(graph),
        choice_(choice),
        options_(work.options),
        data_{.count = std::min(work.data.count, kMostSamples),
              .sample =
                  [&work, this](size_t i) {
                    return work.data.sample(i * work.data.count / data_.count);
                  }},
        work_{data_, options_, work.pool} {
    options_.progress = nullptr;  // of each measurement; the caller tells of all of them
  }

  // What the float32 graph gives.
  Status learn() {
    power_.assign(graph_.outputs().size(), 0);
    return observe(graph_, graph_.outputs(), work_, "", [&](size_t i, const TensorView& tensor) {
      if (tensor.dtype != DType::kFloat32) return;
      const auto numbers = tensor.as<float>();
      expected_.emplace_back(numbers.begin(), numbers.end());
      for (const float x : numbers) power_[i] += double{x} * double{x};
    });
  }

  // Of noise over that of the signal, summed over all outputs.
  Result<double> noise_of(const Unit& unit) {
    const Assignment assignment = only(graph_, choice_.assignment, unit);
    const QuantizedGraph quantized = insert_levels(graph_, {.assignment = assignment,
                                                            .levels = choice_.levels,
                                                            .per_channel = choice_.per_channel,
                                                            .channel_mean = choice_.channel_mean});
    double noise = 0;
    size_t next = 0;  // of expected_: the same order of calls
    const ir::Graph& graph = quantized.graph;
    INFERD_RETURN_IF_ERROR(
        observe(graph, graph.outputs(), work_, "", [&](size_t i, const TensorView& tensor) {
          if (tensor.dtype != DType::kFloat32) return;
          const std::vector<float>& expected = expected_[next++];
          const auto numbers = tensor.as<float>();
          double sum = 0;
          for (size_t e = 0; e < numbers.size(); ++e) {
            const double difference = double{numbers[e]} - double{expected[e]};
            sum += difference * difference;
          }
          if (power_[i] > 0) noise += sum / power_[i];
        }));
    return noise;
  }

 private:
  const ir::Graph& graph_;
  const Choice& choice_;
  QuantizeOptions options_;
  const CalibrationData data_;
  const Work work_;
  std::vector<double> power_;  // by output
  std::vector<std::vector<float>> expected_;
};

// The noisiest for their work that fit into `budget`.
std::vector<bool> pick(std::vector<Unit> units, double budget, size_t nodes) {
  std::ranges::sort(
      units, [](const Unit& a, const Unit& b) { return a.noise * b.work > b.noise * a.work; });
  const double all = std::accumulate(units.begin(), units.end(), 0.,
                                     [](double sum, const Unit& u) { return sum + u.noise; });
  std::vector<bool> picked(nodes, false);
  for (const Unit& unit : units) {
    if (unit.work > budget || unit.noise < all * kWorthwhile) continue;
    budget -= unit.work;
    for (const size_t n : unit.nodes) picked[n] = true;
  }
  return picked;
}

}  // namespace

Result<std::vector<bool>> noisiest_layers(const ir::Graph& graph, const Choice& choice,
                                          double share, const Work& work) {
  std::vector<Unit> units = units_of(graph, choice.assignment);
  NoiseMeter meter(graph, choice, work);
  INFERD_RETURN_IF_ERROR(meter.learn());
  for (size_t i = 0; i < units.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(units[i].noise, meter.noise_of(units[i]));
    if (work.options.progress) work.options.progress("measuring layers", i + 1, units.size());
  }
  double all = 0;
  for (const ir::Node& node : graph.nodes()) all += work_of(graph, node);
  return pick(std::move(units), share * all, graph.nodes().size());
}

}  // namespace inferd::quantize
