// SPDX-License-Identifier: Apache-2.0
//
// The steps of quantize_model(), one function each.
#include "inferd/engine/quantize.h"

#include <algorithm>
#include <thread>

#include "engine/export/export.h"
#include "engine/quantize/calibrate.h"
#include "engine/quantize/equalize.h"
#include "engine/quantize/float_graph.h"
#include "engine/quantize/insert.h"
#include "engine/quantize/noise.h"
#include "engine/quantize/observe.h"
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

}  // namespace

Result<QuantizeReport> quantize_model(const std::string& path, const std::string& out,
                                      const CalibrationData& data, const QuantizeOptions& options) {
  INFERD_RETURN_IF_ERROR(check(data, options));
  INFERD_ASSIGN_OR_RETURN(const exporter::Format* format, exporter::format_for(out));
  INFERD_ASSIGN_OR_RETURN(const auto shapes, shapes_of(data));
  INFERD_ASSIGN_OR_RETURN(ir::Graph graph, load_float_graph(path, shapes, options.limits));
  const Work work{data, options, std::make_shared<ThreadPool>(threads_for(options.threads))};
  if (options.equalize) INFERD_RETURN_IF_ERROR(balance_layers(graph, work));
  INFERD_ASSIGN_OR_RETURN(const Assignment candidates, assign(graph, options.keep_float));
  Calibrator calibrator(graph, candidates, work);
  INFERD_RETURN_IF_ERROR(calibrator.see());
  INFERD_ASSIGN_OR_RETURN(const Assignment assignment,
                          assign(graph, options.keep_float, calibrator.widths()));
  const Calibration calibration = calibrator.conclude(assignment);
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
