// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/quantize/rules.h"

namespace inferd::quantize {
namespace {

constexpr float kMost = 127.F;  // -128 is not used: weights are symmetric
constexpr double kMostBias = 1 << 30;

// What will multiply the stored weights of each output channel.
std::vector<float> weight_scales(const ir::Graph& graph, const ir::Node& node, float input_scale,
                                 bool per_channel, std::span<const float> weights,
                                 std::span<const float> bias) {
  const int axis = weights_axis(node.kind);
  std::vector<float> largest(static_cast<size_t>(graph.value(node.inputs[1]).shape[axis]), 0.F);
  for_each_weight(graph, node, [&](int64_t i, int64_t out, int64_t) {
    float& most = largest[static_cast<size_t>(out)];
    most = std::max(most, std::abs(weights[static_cast<size_t>(i)]));
  });
  if (!per_channel) {
    const float most = largest.empty() ? 0.F : *std::max_element(largest.begin(), largest.end());
    std::fill(largest.begin(), largest.end(), most);
  }
  std::vector<float> scales;
  for (size_t c = 0; c < largest.size(); ++c) {
    const double for_bias =
        bias.empty() ? 0. : std::abs(double{bias[c]}) / (double{input_scale} * kMostBias);
    const double scale = std::max({double{largest[c]} / double{kMost}, for_bias,
                                   // Channels of zeros too need a scale.
                                   double{std::numeric_limits<float>::min()} * 2});
    scales.push_back(static_cast<float>(scale));
  }
  if (!per_channel && !scales.empty()) scales = {*std::max_element(scales.begin(), scales.end())};
  return scales;
}

ir::Value constant_like(const ir::Value& v, DType dtype, Quantization q,
                        std::span<const std::byte> bytes) {
  ir::Value constant = v;
  constant.dtype = dtype;
  constant.quantization = std::move(q);
  constant.constant = Constant::copy_of(bytes);
  return constant;
}

std::vector<int8_t> rounded(std::span<const float> numbers, const Quantization& q,
                            const auto& channel_of) {
  std::vector<int8_t> values(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t c = q.per_channel() ? channel_of(i) : 0;
    const float low = q.zero_points[c] == 0 ? -kMost : -128.F;
    const float level =
        std::nearbyint(numbers[i] / q.scales[c]) + static_cast<float>(q.zero_points[c]);
    values[i] = static_cast<int8_t>(std::clamp(level, low, kMost));
  }
  return values;
}

// What the mean output loses by rounding, for each output channel: sum of (w - rounded w) * mean.
std::vector<double> lost_mean(const ir::Graph& graph, const ir::Node& node,
                              std::span<const float> weights, std::span<const int8_t> integers,
                              const Quantization& q, std::span<const float> mean) {
  std::vector<double> lost(
      static_cast<size_t>(graph.value(node.inputs[1]).shape[weights_axis(node.kind)]));
  for_each_weight(graph, node, [&](int64_t i, int64_t out, int64_t in) {
    const auto at = static_cast<size_t>(i);
    const auto o = static_cast<size_t>(out);
    const double kept = double{q.scales[q.per_channel() ? o : 0]} * integers[at];
    lost[o] += (double{weights[at]} - kept) * double{mean[static_cast<size_t>(in)]};
  });
  return lost;
}

}  // namespace

std::vector<float> floats_of(const ir::Value& constant) {
  const ConstantUse use(constant.constant);
  std::vector<float> numbers(use.bytes().size() / sizeof(float));
  if (!numbers.empty()) std::memcpy(numbers.data(), use.bytes().data(), use.bytes().size());
  return numbers;
}

IntegerWeights integer_weights(const ir::Graph& graph, const ir::Node& node, float input_scale,
                               bool per_channel, std::span<const float> input_mean) {
  const ir::Value& w = graph.value(node.inputs[1]);
  const std::vector<float> weights = floats_of(w);
  const int axis = weights_axis(node.kind);
  const auto outputs = static_cast<size_t>(w.shape[axis]);
  const bool has_bias = node.inputs.size() > 2;
  std::vector<float> bias =
      has_bias ? floats_of(graph.value(node.inputs[2])) : std::vector<float>(outputs, 0.F);

  Quantization q;
  q.scales = weight_scales(graph, node, input_scale, per_channel, weights, bias);
  q.zero_points.assign(q.scales.size(), 0);
  if (q.per_channel()) q.axis = axis;
  std::vector<size_t> channels(weights.size());
  for_each_weight(graph, node, [&](int64_t i, int64_t out, int64_t) {
    channels[static_cast<size_t>(i)] = static_cast<size_t>(out);
  });
  const std::vector<int8_t> integers = rounded(weights, q, [&](size_t i) { return channels[i]; });
  if (!input_mean.empty()) {
    const auto lost = lost_mean(graph, node, weights, integers, q, input_mean);
    for (size_t c = 0; c < outputs; ++c) bias[c] += static_cast<float>(lost[c]);
  }

  Quantization of_bias;
  for (const float scale : q.scales) of_bias.scales.push_back(input_scale * scale);
  of_bias.zero_points.assign(q.scales.size(), 0);
  std::vector<int32_t> sums(outputs);
  for (size_t c = 0; c < outputs; ++c) {
    const double scale = of_bias.scales[of_bias.per_channel() ? c : 0];
    sums[c] = static_cast<int32_t>(
        std::clamp(std::nearbyint(double{bias[c]} / scale), -2 * kMostBias, 2 * kMostBias - 1));
  }
  ir::Value bias_like;
  bias_like.name = has_bias ? graph.value(node.inputs[2]).name : node.name + "/bias";
  bias_like.shape = {static_cast<int64_t>(outputs)};
  bias_like.shape_known = true;
  return {
      constant_like(w, DType::kInt8, std::move(q), std::as_bytes(std::span(integers))),
      constant_like(bias_like, DType::kInt32, std::move(of_bias), std::as_bytes(std::span(sums)))};
}

ir::Value stored(const ir::Value& constant, const Quantization& q) {
  const std::vector<int8_t> integers =
      rounded(floats_of(constant), q, [](size_t) { return size_t{0}; });
  return constant_like(constant, DType::kInt8, q, std::as_bytes(std::span(integers)));
}

}  // namespace inferd::quantize
