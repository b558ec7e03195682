// SPDX-License-Identifier: Apache-2.0
//
// The steps of quantize_model(), one function each.
#include "inferd/engine/quantize.h"

#include <algorithm>
#include <thread>

#include "engine/quantize/calibrate.h"
#include "engine/quantize/equalize.h"
#include "engine/quantize/float_graph.h"
#include "engine/quantize/insert.h"
#include "engine/quantize/integer_inputs.h"
#include "engine/quantize/noise.h"
#include "engine/quantize/observe.h"
#include "engine/quantize/output.h"
#include "engine/quantize/rules.h"
#include "engine/quantize/sensitivity.h"

namespace inferd {
namespace {

using namespace quantize;  // NOLINT: this file is the folder's face

Status check(const CalibrationData& data, const QuantizeOptions& options) {
  if (data.count == 0 || !data.sample) {
    return invalid_argument("there is nothing to calibrate with: give at least one sample");
  }
  if (options.threads < 0) return invalid_argument("threads is negative");
  if (!(options.float_share >= 0 && options.float_share <= 1)) {
    return invalid_argument("the share of work to keep in float32 must be between 0 and 1");
  }
  return ok_status();
}

Result<std::vector<Shape>> shapes_of(const CalibrationData& data) {
  INFERD_ASSIGN_OR_RETURN(const auto views, data.sample(0));
  std::vector<Shape> shapes;
  shapes.reserve(views.size());
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

// What is quantized, and how.
struct Levels {
  Assignment assignment;
  Calibration calibration;

  Choice choice(const QuantizeOptions& options) const {
    return {.assignment = assignment,
            .levels = calibration.levels,
            .per_channel = options.per_channel,
            .channel_mean = calibration.channel_mean};
  }
};

Result<Levels> choose_levels(const ir::Graph& graph, const Work& work) {
  const QuantizeOptions& options = work.options;
  INFERD_ASSIGN_OR_RETURN(std::vector<bool> keep, named_layers(graph, options.keep_float));
  INFERD_ASSIGN_OR_RETURN(const Assignment candidates, assign(graph, keep));
  Calibrator calibrator(graph, candidates, work);
  INFERD_RETURN_IF_ERROR(calibrator.see());
  const auto conclude = [&]() -> Result<Levels> {
    INFERD_ASSIGN_OR_RETURN(Assignment assignment, assign(graph, keep, calibrator.widths()));
    Calibration calibration = calibrator.conclude(assignment);
    return Levels{std::move(assignment), std::move(calibration)};
  };
  if (options.float_share <= 0) return conclude();
  INFERD_ASSIGN_OR_RETURN(const Levels all, conclude());
  INFERD_ASSIGN_OR_RETURN(const std::vector<bool> noisy,
                          noisiest_layers(graph, all.choice(options), options.float_share, work));
  for (size_t n = 0; n < keep.size(); ++n) keep[n] = keep[n] || noisy[n];
  return conclude();
}

}  // namespace

Result<QuantizeReport> quantize_model(const std::string& path, const std::string& out,
                                      const CalibrationData& data, const QuantizeOptions& options) {
  INFERD_RETURN_IF_ERROR(check(data, options));
  INFERD_ASSIGN_OR_RETURN(const WriteGraph write, writer_for(out));
  INFERD_ASSIGN_OR_RETURN(const auto shapes, shapes_of(data));
  INFERD_ASSIGN_OR_RETURN(ir::Graph graph, load_float_graph(path, shapes, options.limits));
  const Work work{data, options, std::make_shared<ThreadPool>(threads_for(options.threads))};
  if (options.equalize) INFERD_RETURN_IF_ERROR(balance_layers(graph, work));
  INFERD_ASSIGN_OR_RETURN(const Levels chosen, choose_levels(graph, work));
  QuantizedGraph quantized = insert_levels(graph, chosen.choice(options));
  INFERD_RETURN_IF_ERROR(ir::verify(quantized.graph));
  INFERD_ASSIGN_OR_RETURN(QuantizeReport report,
                          measure_noise(graph, quantized, chosen.assignment, work));
  if (options.integer_inputs) take_integers(quantized.graph);
  INFERD_RETURN_IF_ERROR(write(quantized.graph, work));
  return report;
}

}  // namespace inferd
