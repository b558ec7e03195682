// SPDX-License-Identifier: Apache-2.0
//
// The steps of quantize_model(), one function each.
#include "inferd/engine/quantize.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "engine/export/export.h"
#include "engine/quantize/equalize.h"
#include "engine/quantize/float_graph.h"
#include "engine/quantize/insert.h"
#include "engine/quantize/noise.h"
#include "engine/quantize/observe.h"
#include "engine/quantize/ranges.h"
#include "engine/quantize/rules.h"

namespace inferd {
namespace {

using namespace quantize;  // NOLINT: this file is the folder's face

Status check(const CalibrationData& data, const QuantizeOptions& options) {
  if (data.count == 0 || !data.sample) {
    return invalid_argument("there is nothing to calibrate with: give at least one sample");
  }
  if (options.threads < 0) return invalid_argument("threads is negative");
  return ok_status();
}

Result<std::vector<Shape>> shapes_of(const CalibrationData& data) {
  INFERD_ASSIGN_OR_RETURN(const auto views, data.sample(0));
  std::vector<Shape> shapes;
  for (const TensorView& view : views) shapes.push_back(view.shape);
  return shapes;
}

int threads_for(int wanted) {
  if (wanted > 0) return wanted;
  return static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
}

Status balance_layers(ir::Graph& graph, const Work& work) {
  const std::vector<ir::ValueId> values = between_layers(graph);
  std::vector<Seen> seen(values.size());
  INFERD_RETURN_IF_ERROR(
      observe(graph, values, work, "equalizing", [&](size_t i, const TensorView& tensor) {
        seen[i].add_channels(tensor.as<float>(), static_cast<size_t>(tensor.shape.back()));
      }));
  std::vector<std::vector<float>> most(graph.value_count());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto channels = seen[i].channel_max();
    most[static_cast<size_t>(values[i])].assign(channels.begin(), channels.end());
  }
  equalize(graph, most);
  return ok_status();
}

// What calibration knows in the end.
struct Calibration {
  std::vector<Quantization> levels;              // by group
  std::vector<std::vector<float>> channel_mean;  // by value, where a bias is to be corrected
};

// The range that an operator's definition gives, so that its levels are the usual ones: 1/256 for
// probabilities, 1/128 for tanh. Empty for all others.
std::vector<Range> ranges_by_definition(const ir::Graph& graph) {
  std::vector<Range> ranges(graph.value_count());
  for (const ir::Node& node : graph.nodes()) {
    Range& range = ranges[static_cast<size_t>(node.outputs[0])];
    if (node.kind == OpKind::kSoftmax) range = {0.F, 255.F / 256.F};
    const auto* unary = std::get_if<UnaryAttrs>(&node.attrs);
    if (unary == nullptr) continue;
    if (unary->kind == UnaryKind::kSigmoid) range = {0.F, 255.F / 256.F};
    if (unary->kind == UnaryKind::kTanh) range = {-1.F, 127.F / 128.F};
  }
  return ranges;
}

class Calibrator {
 public:
  Calibrator(const ir::Graph& graph, const Assignment& assignment, const Work& work)
      : graph_(graph), assignment_(assignment), work_(work) {
    for (size_t v = 0; v < graph.value_count(); ++v) {
      const auto id = static_cast<ir::ValueId>(v);
      const bool computed = graph.value(id).shape_known && !graph.value(id).is_constant();
      if (assignment.group[v] >= 0 && computed) values_.push_back(id);
    }
    seen_.resize(values_.size());
  }

  Result<Calibration> run() {
    INFERD_RETURN_IF_ERROR(see_ranges());
    std::vector<Range> chosen;
    for (const Seen& seen : seen_) chosen.push_back(seen.range());
    if (work_.options.method != CalibrationMethod::kMinMax) {
      INFERD_RETURN_IF_ERROR(see_histograms(&chosen));
    }
    return conclude(chosen);
  }

 private:
  // Values whose channels' means correct biases.
  std::vector<bool> read_by_weights() const {
    std::vector<bool> reads(graph_.value_count(), false);
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const ir::Node& node = graph_.nodes()[n];
      if (weights_axis(node.kind) < 0 || assignment_.roles[n] != Role::kInteger) continue;
      reads[static_cast<size_t>(node.inputs[0])] = work_.options.bias_correct;
    }
    return reads;
  }

  Status see_ranges() {
    const std::vector<bool> by_channel = read_by_weights();
    return observe(graph_, values_, work_, "calibrating", [&](size_t i, const TensorView& tensor) {
      const auto numbers = tensor.as<float>();
      seen_[i].add(numbers);
      if (by_channel[static_cast<size_t>(values_[i])]) {
        seen_[i].add_channels(numbers, static_cast<size_t>(tensor.shape.back()));
      }
    });
  }

  Status see_histograms(std::vector<Range>* chosen) const {
    std::vector<Histogram> histograms(chosen->begin(), chosen->end());
    INFERD_RETURN_IF_ERROR(observe(
        graph_, values_, work_, "looking at distributions",
        [&](size_t i, const TensorView& tensor) { histograms[i].add(tensor.as<float>()); }));
    for (size_t i = 0; i < histograms.size(); ++i) {
      (*chosen)[i] = histograms[i].choose(work_.options.method);
    }
    return ok_status();
  }

  Result<Calibration> conclude(std::span<const Range> chosen) const {
    const std::vector<Range> defined = ranges_by_definition(graph_);
    std::vector<Range> groups(static_cast<size_t>(assignment_.groups));
    Calibration result;
    result.channel_mean.resize(graph_.value_count());
    for (size_t i = 0; i < values_.size(); ++i) {
      const auto v = static_cast<size_t>(values_[i]);
      if (seen_[i].empty()) {
        return failed_precondition("'" + graph_.value(values_[i]).name +
                                   "' was never a number on these samples");
      }
      Range& group = groups[static_cast<size_t>(assignment_.group[v])];
      const bool by_definition = defined[v].max > defined[v].min;
      group = group.with(by_definition ? defined[v] : chosen[i]);
      result.channel_mean[v] = seen_[i].channel_mean();
    }
    for (const ir::Node& node : graph_.nodes()) {  // padding too is to have a level
      const auto* pad = std::get_if<PadAttrs>(&node.attrs);
      const int g = assignment_.group[static_cast<size_t>(node.outputs[0])];
      if (pad == nullptr || g < 0 || !std::isfinite(pad->value)) continue;
      groups[static_cast<size_t>(g)] =
          groups[static_cast<size_t>(g)].with({pad->value, pad->value});
    }
    for (const Range& range : groups) result.levels.push_back(levels_of(range));
    return result;
  }

  const ir::Graph& graph_;
  const Assignment& assignment_;
  const Work& work_;
  std::vector<ir::ValueId> values_;
  std::vector<Seen> seen_;  // by index in values_
};

}  // namespace

Result<QuantizeReport> quantize_model(const std::string& path, const std::string& out,
                                      const CalibrationData& data, const QuantizeOptions& options) {
  INFERD_RETURN_IF_ERROR(check(data, options));
  INFERD_ASSIGN_OR_RETURN(const exporter::Format* format, exporter::format_for(out));
  INFERD_ASSIGN_OR_RETURN(const auto shapes, shapes_of(data));
  INFERD_ASSIGN_OR_RETURN(ir::Graph graph, load_float_graph(path, shapes, options.limits));
  const Work work{data, options, std::make_shared<ThreadPool>(threads_for(options.threads))};
  if (options.equalize) INFERD_RETURN_IF_ERROR(balance_layers(graph, work));
  INFERD_ASSIGN_OR_RETURN(const Assignment assignment, assign(graph, options.keep_float));
  INFERD_ASSIGN_OR_RETURN(const Calibration calibration, Calibrator(graph, assignment, work).run());
  const QuantizedGraph quantized = insert_levels(graph, {.assignment = assignment,
                                                         .levels = calibration.levels,
                                                         .per_channel = options.per_channel,
                                                         .channel_mean = calibration.channel_mean});
  INFERD_RETURN_IF_ERROR(ir::verify(quantized.graph));
  INFERD_ASSIGN_OR_RETURN(QuantizeReport report, measure_noise(graph, quantized, assignment, work));
  INFERD_RETURN_IF_ERROR(format->write(quantized.graph, out));
  return report;
}

}  // namespace inferd
