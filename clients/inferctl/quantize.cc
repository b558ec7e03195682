// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/quantize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>

#include "clients/inferctl/command.h"
#include "clients/inferctl/measure/agreement.h"
#include "clients/inferctl/progress.h"
#include "clients/inferctl/samples.h"
#include "clients/inferctl/text.h"
#include "media/reals.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, output, preprocess, evaluate;
  std::vector<std::string> calibrate;
  bool per_tensor = false, per_channel = false;
  CalibrationMethod method = CalibrationMethod::kMinMax;
  bool equalize = false, bias_correct = false, integer_inputs = false;
  std::vector<std::string> keep_float;
  double float_percent = 0;
  int threads = 0;
};

const std::map<std::string, CalibrationMethod> kMethods = {
    {"minmax", CalibrationMethod::kMinMax},
    {"percentile", CalibrationMethod::kPercentile},
    {"mse", CalibrationMethod::kMse},
    {"entropy", CalibrationMethod::kEntropy}};

// The model before and after, on the same inputs.
struct Comparison {
  double ms_before = 0, ms_after = 0;         // of one run: the median over the samples
  int64_t bytes_before = 0, bytes_after = 0;  // of the files
  std::optional<Agreement> agreement;
  std::vector<LeftConversion> conversions;
};

std::vector<TensorView> views_of(const std::vector<media::Array>& arrays) {
  std::vector<TensorView> views;
  for (const media::Array& array : arrays) views.push_back(array.view());
  return views;
}

Result<std::span<const TensorView>> timed_run(Context& context, std::span<const TensorView> inputs,
                                              std::vector<double>* ms) {
  const auto start = std::chrono::steady_clock::now();
  auto outputs = context.run(inputs);
  ms->push_back(
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  return outputs;
}

Result<Agreement> evaluated(const std::string& task, const ModelInfo& info) {
  if (info.inputs.empty()) return invalid_argument("the model has no inputs");
  Result<Agreement> agreement = Agreement::create(task, info.inputs[0], info.outputs);
  return agreement.ok() ? std::move(agreement) : agreement.status().with_context("--evaluate");
}

// What a model takes of samples for float32: the same, or rounded where it takes integers.
Result<std::vector<media::Array>> as_taken(const std::vector<media::Array>& arrays,
                                           std::span<const TensorInfo> inputs) {
  std::vector<media::Array> taken = arrays;
  for (size_t i = 0; i < taken.size() && i < inputs.size(); ++i) {
    if (inputs[i].dtype == taken[i].dtype) continue;
    TensorInfo input = inputs[i];
    input.shape = taken[i].shape;  // where it is dynamic
    const TensorView view{arrays[i].dtype, arrays[i].shape, arrays[i].data};
    INFERD_ASSIGN_OR_RETURN(taken[i], media::array_of(view.as<float>(), input));
  }
  return taken;
}

Result<Comparison> compare(const Options& o, const Samples& samples, Engine& engine) {
  INFERD_ASSIGN_OR_RETURN(const auto before, engine.load(o.model));
  INFERD_ASSIGN_OR_RETURN(const auto after, engine.load(o.output));
  INFERD_ASSIGN_OR_RETURN(const auto context_before, before->create_context());
  INFERD_ASSIGN_OR_RETURN(const auto context_after, after->create_context());
  Comparison result;
  result.conversions = after->info().conversions;
  if (!o.evaluate.empty()) {
    INFERD_ASSIGN_OR_RETURN(result.agreement, evaluated(o.evaluate, before->info()));
  }
  constexpr size_t kToTime = 20;
  const size_t count = o.evaluate.empty() ? std::min(samples.count(), kToTime) : samples.count();
  std::vector<double> ms_before;
  std::vector<double> ms_after;
  Progress progress;
  for (size_t i = 0; i < count; ++i) {
    INFERD_ASSIGN_OR_RETURN(const auto arrays, samples.read(i));
    const std::vector<TensorView> views = views_of(arrays);
    INFERD_ASSIGN_OR_RETURN(const auto arrays_after, as_taken(arrays, after->inputs()));
    const std::vector<TensorView> views_after = views_of(arrays_after);
    if (i == 0) {  // a first run is slower
      INFERD_RETURN_IF_ERROR(context_before->run(views).status());
      INFERD_RETURN_IF_ERROR(context_after->run(views_after).status());
    }
    INFERD_ASSIGN_OR_RETURN(const auto expected, timed_run(*context_before, views, &ms_before));
    INFERD_ASSIGN_OR_RETURN(const auto got, timed_run(*context_after, views_after, &ms_after));
    if (result.agreement) result.agreement->add(expected, got);
    progress.show("comparing", i + 1, count);
  }
  result.ms_before = median(std::move(ms_before));
  result.ms_after = median(std::move(ms_after));
  std::error_code ignored;  // both were just loaded
  result.bytes_before = static_cast<int64_t>(std::filesystem::file_size(o.model, ignored));
  result.bytes_after = static_cast<int64_t>(std::filesystem::file_size(o.output, ignored));
  return result;
}

nlohmann::json to_json(const LayerNoise& layer) {
  nlohmann::json json = {{"name", layer.name}, {"op", layer.op}, {"quantized", layer.quantized}};
  if (!std::isnan(layer.sqnr_db)) json["sqnr_db"] = layer.sqnr_db;  // infinite: null
  return json;
}

void print_json(const QuantizeReport& report, const Comparison& c) {
  nlohmann::json json = {{"bytes_before", c.bytes_before},
                         {"bytes_after", c.bytes_after},
                         {"weights_bytes_before", report.weights_bytes_before},
                         {"weights_bytes_after", report.weights_bytes_after},
                         {"ms_before", c.ms_before},
                         {"ms_after", c.ms_after},
                         {"layers", nlohmann::json::array()},
                         {"outputs", nlohmann::json::array()},
                         {"conversions", nlohmann::json::array()}};
  for (const LayerNoise& layer : report.layers) json["layers"].push_back(to_json(layer));
  for (const LayerNoise& output : report.outputs) json["outputs"].push_back(to_json(output));
  for (const LeftConversion& left : c.conversions) {
    json["conversions"].push_back({{"op", left.op}, {"node", left.node}, {"reason", left.reason}});
  }
  if (c.agreement) json["agreement"] = to_json(*c.agreement);
  std::cout << json.dump(2) << "\n";
}

void print_text(const Options& o, const QuantizeReport& report, const Comparison& c) {
  std::printf("%9s  %-24s %s\n", "SQNR, dB", "operator", "layer");
  for (const LayerNoise& layer : report.layers) {
    if (std::isnan(layer.sqnr_db)) {
      std::printf("%9s  %-24s %s\n", layer.quantized ? "" : "float", layer.op.c_str(),
                  layer.name.c_str());
    } else {
      std::printf("%9.1f  %-24s %s\n", layer.sqnr_db, layer.op.c_str(), layer.name.c_str());
    }
  }
  for (const LayerNoise& output : report.outputs) {
    std::printf("%9.1f  %-24s %s\n", output.sqnr_db, output.op.c_str(), output.name.c_str());
  }
  for (const LeftConversion& left : c.conversions) {
    if (left.op != "quantize") continue;  // what follows the last quantized layers is float
    std::printf("%s '%s' stays: %s\n", left.op.c_str(), left.node.c_str(), left.reason.c_str());
  }
  std::printf("%s: file %sB -> %sB, weights %sB -> %sB, %.2f ms -> %.2f ms\n", o.output.c_str(),
              human(c.bytes_before).c_str(), human(c.bytes_after).c_str(),
              human(report.weights_bytes_before).c_str(), human(report.weights_bytes_after).c_str(),
              c.ms_before, c.ms_after);
  if (c.agreement) print_agreement(*c.agreement);
}

Status quantize(const Options& o, const Globals& globals) {
  EngineOptions engine_options;
  engine_options.threads = o.threads;
  engine_options.log = print_warnings;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  INFERD_ASSIGN_OR_RETURN(const ModelInfo info, engine->inspect(o.model));
  INFERD_ASSIGN_OR_RETURN(const Samples samples,
                          Samples::open(info.inputs, o.calibrate, o.preprocess));
  if (!o.evaluate.empty()) {  // before the work, not after it
    INFERD_RETURN_IF_ERROR(evaluated(o.evaluate, info).status());
  }
  std::vector<media::Array> arrays;
  const CalibrationData data{.count = samples.count(),
                             .sample = [&](size_t i) -> Result<std::vector<TensorView>> {
                               INFERD_ASSIGN_OR_RETURN(arrays, samples.read(i));
                               return views_of(arrays);
                             }};
  Progress progress;
  const QuantizeOptions options{.per_channel = !o.per_tensor,
                                .method = o.method,
                                .equalize = o.equalize,
                                .bias_correct = o.bias_correct,
                                .integer_inputs = o.integer_inputs,
                                .keep_float = o.keep_float,
                                .float_share = o.float_percent / 100,
                                .threads = o.threads,
                                .limits = {},
                                .progress = [&](std::string_view what, size_t done, size_t total) {
                                  progress.show(what, done, total);
                                }};
  INFERD_ASSIGN_OR_RETURN(const QuantizeReport report,
                          quantize_model(o.model, o.output, data, options));
  INFERD_ASSIGN_OR_RETURN(const Comparison comparison, compare(o, samples, *engine));
  if (globals.json) {
    print_json(report, comparison);
  } else {
    print_text(o, report, comparison);
  }
  return ok_status();
}

}  // namespace

void add_quantize(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command =
      app.add_subcommand("quantize", "an int8 model from a float model and sample inputs");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "float model file")->required();
  command->add_option("-o,--output", o->output, "the int8 model to write: *.onnx or *.ifd")
      ->required();
  command
      ->add_option("--calibrate", o->calibrate,
                   "folder of pictures or .npy files, one of them, or NAME=PATH for each input")
      ->required();
  command->add_option("--preprocess", o->preprocess, "how pictures become the input, as for run");
  CLI::Option* per_tensor =
      command->add_flag("--per-tensor", o->per_tensor, "one scale for all weights of a layer");
  command
      ->add_flag("--per-channel", o->per_channel,
                 "a scale for each output channel of a layer's weights (default)")
      ->excludes(per_tensor);
  command
      ->add_option(
          "--method", o->method,
          "how ranges of activations are chosen: minmax (default), percentile, mse, entropy")
      ->transform(CLI::CheckedTransformer(kMethods));
  command->add_flag("--equalize", o->equalize, "balance the channels between layers first");
  command->add_flag("--integer-inputs", o->integer_inputs,
                    "the model takes int8, rounded by whoever gives it");
  command->add_flag("--bias-correct", o->bias_correct,
                    "correct biases by what rounding the weights does to mean outputs");
  command->add_option("--keep-float", o->keep_float, "names of layers that stay float");
  command
      ->add_option("--float-percent", o->float_percent,
                   "percent of the work that may stay float: the layers that lose most, measured")
      ->check(CLI::Range(0., 100.));
  command
      ->add_option("--evaluate", o->evaluate,
                   "compare answers before and after: auto, top1, detections, ssd, blazeface, "
                   "fastestdet, yunet, yolox, nanodet")
      ->expected(0, 1)
      ->default_str("auto");
  command->add_option("--threads", o->threads, "worker threads, 0: one per core")
      ->check(CLI::Range(0, 256));
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return quantize(*o, globals); }; });
}

}  // namespace inferd::ctl
