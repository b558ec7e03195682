// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/calibrate.h"

#include <cmath>

namespace inferd::quantize {
namespace {

// The range that an operator's definition gives, so that its levels are the usual ones: 1/256 for
// probabilities, 1/128 for tanh. Empty for all others.
std::vector<Range> ranges_by_definition(const ir::Graph& graph) {
  std::vector<Range> ranges(graph.value_count());
  for (const ir::Node& node : graph.nodes()) {
    Range& range = ranges[static_cast<size_t>(node.outputs[0])];
    const auto* softmax = std::get_if<SoftmaxAttrs>(&node.attrs);
    if (softmax != nullptr && softmax->kind == SoftmaxKind::kSoftmax) range = {0.F, 255.F / 256.F};
    const auto* unary = std::get_if<UnaryAttrs>(&node.attrs);
    if (unary == nullptr) continue;
    if (unary->kind == UnaryKind::kSigmoid) range = {0.F, 255.F / 256.F};
    if (unary->kind == UnaryKind::kTanh) range = {-1.F, 127.F / 128.F};
  }
  return ranges;
}

}  // namespace

Calibrator::Calibrator(const ir::Graph& graph, const Assignment& assignment, const Work& work)
    : graph_(graph), assignment_(assignment), work_(work) {
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const auto id = static_cast<ir::ValueId>(v);
    const bool computed = graph.value(id).shape_known && !graph.value(id).is_constant();
    if (assignment.group[v] >= 0 && computed) values_.push_back(id);
  }
  seen_.resize(values_.size());
}

Status Calibrator::see() {
  INFERD_RETURN_IF_ERROR(see_ranges());
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i].empty()) {
      return failed_precondition("'" + graph_.value(values_[i]).name +
                                 "' was never a number on these samples");
    }
    chosen_.push_back(seen_[i].range());
  }
  if (work_.options.method == CalibrationMethod::kMinMax) return ok_status();
  return see_histograms();
}

std::vector<float> Calibrator::widths() const {
  std::vector<float> widths(graph_.value_count(), 0.F);
  for (size_t i = 0; i < values_.size(); ++i) {
    const Range with_zero = chosen_[i].with({0.F, 0.F});
    widths[static_cast<size_t>(values_[i])] = with_zero.max - with_zero.min;
  }
  return widths;
}

Calibration Calibrator::conclude(const Assignment& assignment) const {
  const std::vector<Range> defined = ranges_by_definition(graph_);
  std::vector<Range> groups(static_cast<size_t>(assignment.groups));
  Calibration result;
  result.channel_mean.resize(graph_.value_count());
  for (size_t i = 0; i < values_.size(); ++i) {
    const auto v = static_cast<size_t>(values_[i]);
    if (assignment.group[v] < 0) continue;
    Range& group = groups[static_cast<size_t>(assignment.group[v])];
    const bool by_definition = defined[v].max > defined[v].min;
    group = group.with(by_definition ? defined[v] : chosen_[i]);
    result.channel_mean[v] = seen_[i].channel_mean();
  }
  for (const ir::Node& node : graph_.nodes()) {  // padding too is to have a level
    const auto* pad = std::get_if<PadAttrs>(&node.attrs);
    const int g = assignment.group[static_cast<size_t>(node.outputs[0])];
    if (pad == nullptr || g < 0 || !std::isfinite(pad->value)) continue;
    groups[static_cast<size_t>(g)] = groups[static_cast<size_t>(g)].with({pad->value, pad->value});
  }
  for (const Range& range : groups) result.levels.push_back(levels_of(range));
  return result;
}

// Values whose channels' means correct biases.
std::vector<bool> Calibrator::read_by_weights() const {
  std::vector<bool> reads(graph_.value_count(), false);
  for (size_t n = 0; n < graph_.nodes().size(); ++n) {
    const ir::Node& node = graph_.nodes()[n];
    if (weights_axis(node.kind) < 0 || assignment_.roles[n] != Role::kInteger) continue;
    reads[static_cast<size_t>(node.inputs[0])] = work_.options.bias_correct;
  }
  return reads;
}

Status Calibrator::see_ranges() {
  const std::vector<bool> by_channel = read_by_weights();
  return observe(graph_, values_, work_, "calibrating", [&](size_t i, const TensorView& tensor) {
    const auto numbers = tensor.as<float>();
    seen_[i].add(numbers);
    if (by_channel[static_cast<size_t>(values_[i])]) {
      seen_[i].add_channels(numbers, static_cast<size_t>(tensor.shape.back()));
    }
  });
}

Status Calibrator::see_histograms() {
  std::vector<Histogram> histograms(chosen_.begin(), chosen_.end());
  INFERD_RETURN_IF_ERROR(
      observe(graph_, values_, work_, "looking at distributions",
              [&](size_t i, const TensorView& tensor) { histograms[i].add(tensor.as<float>()); }));
  for (size_t i = 0; i < histograms.size(); ++i) {
    chosen_[i] = histograms[i].choose(work_.options.method);
  }
  return ok_status();
}

}  // namespace inferd::quantize
