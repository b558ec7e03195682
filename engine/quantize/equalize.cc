// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/equalize.h"

#include <algorithm>
#include <cmath>

#include "engine/ir/activation.h"
#include "engine/ir/builder.h"
#include "engine/quantize/rules.h"
#include "engine/quantize/weights.h"

namespace inferd::quantize {
namespace {

constexpr int kSweeps = 10;           // over all pairs: a balance shifts its neighbours'
constexpr float kMostChange = 1e4F;   // of one channel in one step
constexpr float kBelowLimit = 0.99F;  // how close to a clamp's limit a channel may grow

struct Pair {
  ir::Node* makes;
  ir::Node* reads;
  ir::ValueId value;
};

bool has_weights(const ir::Graph& graph, const ir::Node& node) {
  if (weights_axis(node.kind) < 0) return false;
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ir::ValueId id) {
    return graph.value(id).is_constant() && graph.value(id).dtype == DType::kFloat32;
  });
}

std::vector<Pair> find_pairs(ir::Graph& graph) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  std::vector<Pair> pairs;
  for (ir::Node& reads : graph.nodes()) {
    if (!has_weights(graph, reads)) continue;
    const ir::ValueId x = reads.inputs[0];
    const int p = producers[static_cast<size_t>(x)];
    if (p < 0 || uses[static_cast<size_t>(x)] != 1) continue;
    ir::Node& makes = graph.nodes()[static_cast<size_t>(p)];
    if (!has_weights(graph, makes)) continue;
    const Activation& clamp = *ir::activation_of(makes);
    if (clamp.none() || (clamp.min == 0.F && clamp.max > 0.F)) pairs.push_back({&makes, &reads, x});
  }
  return pairs;
}

class Balancer {
 public:
  Balancer(ir::Graph& graph, const Pair& pair) : graph_(graph), pair_(pair) {}

  // The largest weights that make and that read each channel.
  void measure() {
    made_.assign(channels(), 0.F);
    read_.assign(channels(), 0.F);
    const std::vector<float> first = weights(*pair_.makes);
    const std::vector<float> second = weights(*pair_.reads);
    for_each_weight(graph_, *pair_.makes, [&](int64_t i, int64_t out, int64_t) {
      grow(made_[static_cast<size_t>(out)], first[static_cast<size_t>(i)]);
    });
    for_each_weight(graph_, *pair_.reads, [&](int64_t i, int64_t, int64_t in) {
      grow(read_[static_cast<size_t>(in)], second[static_cast<size_t>(i)]);
    });
  }

  // What each channel is divided by. Neither its values nor its bias grow beyond the largest of all
  // channels: one of small weights and a large bias would otherwise widen what all of them share.
  std::vector<float> factors(std::span<const float> seen_max) const {
    const float clamp = ir::activation_of(*pair_.makes)->max * kBelowLimit;
    const float largest = seen_max.empty() ? kInf : *std::ranges::max_element(seen_max);
    const float limit = std::min(clamp, largest);
    const std::vector<float> bias = biases();
    const float largest_bias = magnitude(bias);
    std::vector<float> s(channels(), 1.F);
    for (size_t c = 0; c < s.size(); ++c) {
      if (!(made_[c] > 0.F) || !(read_[c] > 0.F)) continue;
      s[c] = std::clamp(std::sqrt(made_[c] / read_[c]), 1 / kMostChange, kMostChange);
      if (largest_bias > 0.F) s[c] = std::max(s[c], std::abs(bias[c]) / largest_bias);
      if (limit == kInf) continue;
      const float most = c < seen_max.size() ? seen_max[c] : clamp;
      s[c] = most >= clamp ? 1.F : std::max(s[c], most / limit);
    }
    return s;
  }

  void scale(std::span<const float> s) {
    std::vector<float> first = weights(*pair_.makes);
    std::vector<float> second = weights(*pair_.reads);
    for_each_weight(graph_, *pair_.makes, [&](int64_t i, int64_t out, int64_t) {
      first[static_cast<size_t>(i)] /= s[static_cast<size_t>(out)];
    });
    for_each_weight(graph_, *pair_.reads, [&](int64_t i, int64_t, int64_t in) {
      second[static_cast<size_t>(i)] *= s[static_cast<size_t>(in)];
    });
    replace(pair_.makes->inputs[1], first);
    replace(pair_.reads->inputs[1], second);
    std::vector<float> bias = biases();
    if (bias.empty()) return;
    for (size_t c = 0; c < bias.size(); ++c) bias[c] /= s[c];
    replace(pair_.makes->inputs[2], bias);
  }

 private:
  size_t channels() const { return static_cast<size_t>(graph_.value(pair_.value).shape.back()); }
  std::vector<float> weights(const ir::Node& node) const {
    return floats_of(graph_.value(node.inputs[1]));
  }
  std::vector<float> biases() const {
    if (pair_.makes->inputs.size() < 3) return {};
    return floats_of(graph_.value(pair_.makes->inputs[2]));
  }
  static float magnitude(std::span<const float> numbers) {
    float most = 0.F;
    for (const float x : numbers) grow(most, x);
    return most;
  }
  static void grow(float& most, float weight) { most = std::max(most, std::abs(weight)); }

  // Another node may read the same constant: this one gets its own.
  void replace(ir::ValueId& id, std::span<const float> numbers) {
    const ir::Value v = graph_.value(id);
    id = ir::Builder(graph_).constant_floats(v.name, v.shape, numbers);
  }

  ir::Graph& graph_;
  const Pair& pair_;
  std::vector<float> made_, read_;
};

}  // namespace

std::vector<ir::ValueId> between_layers(const ir::Graph& graph) {
  ir::Graph copy = graph;
  std::vector<ir::ValueId> values;
  for (const Pair& pair : find_pairs(copy)) values.push_back(pair.value);
  return values;
}

int equalize(ir::Graph& graph, std::span<const std::vector<float>> channel_max) {
  const std::vector<Pair> pairs = find_pairs(graph);
  std::vector<std::vector<float>> seen(channel_max.begin(), channel_max.end());
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (const Pair& pair : pairs) {
      Balancer balancer(graph, pair);
      balancer.measure();
      std::vector<float>& most = seen[static_cast<size_t>(pair.value)];
      const std::vector<float> s = balancer.factors(most);
      balancer.scale(s);
      for (size_t c = 0; c < most.size(); ++c) most[c] /= s[c];
    }
  }
  return static_cast<int>(pairs.size());
}

}  // namespace inferd::quantize
