// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <numeric>

#include "clients/inferctl/command.h"
#include "clients/inferctl/inputs.h"
#include "clients/inferctl/measure/truth.h"
#include "clients/inferctl/text.h"
#include "media/reals.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, signature, output_dir, preprocess, labels;
  std::vector<std::string> inputs;
  int threads = 0;
  bool allow_float16 = false;
};

struct NamedScore {
  std::string name;
  float score;
};

// The three classes with the highest scores, best first; none when the output has not a number for
// each name.
std::vector<NamedScore> best_classes(const TensorView& output, const Quantization& quantization,
                                     const std::vector<std::string>& names) {
  const std::vector<float> scores = media::reals_of(output, quantization);
  if (scores.size() != names.size()) return {};
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t count = std::min<size_t>(order.size(), 3);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](size_t a, size_t b) {
                      return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
                    });
  std::vector<NamedScore> best;
  for (size_t i = 0; i < count; ++i) best.push_back({names[order[i]], scores[order[i]]});
  return best;
}

Status run(const Options& o, const Globals& globals) {
  std::vector<std::string> names;
  if (!o.labels.empty()) {
    INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(o.labels));
    INFERD_ASSIGN_OR_RETURN(names, parse_names(text, o.labels));
  }
  EngineOptions engine_options;
  engine_options.threads = o.threads;
  engine_options.allow_float16 = o.allow_float16;
  engine_options.log = print_warnings;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  INFERD_ASSIGN_OR_RETURN(
      const auto model,
      engine->load(o.model, {.limits = {}, .states = {}, .signature = o.signature}));
  INFERD_ASSIGN_OR_RETURN(const auto arrays, read_inputs(model->inputs(), o.inputs, o.preprocess));
  std::vector<TensorView> views;
  views.reserve(arrays.size());
  for (const media::Array& array : arrays) views.push_back(array.view());
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context->run(views));
  nlohmann::json json = nlohmann::json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    TensorInfo info = model->outputs()[i];
    info.shape = outputs[i].shape;
    INFERD_RETURN_IF_ERROR(write_output(o.output_dir, info.name, outputs[i]));
    json.push_back(to_json(info));
    if (!globals.json) std::cout << to_text(info) << "\n";
    for (const auto& [name, score] : best_classes(outputs[i], info.quantization, names)) {
      json.back()["classes"].push_back({{"name", name}, {"score", score}});
      if (!globals.json) std::cout << "  " << score << "  " << name << "\n";
    }
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

}  // namespace

void add_run(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command =
      app.add_subcommand("run", "one inference on a model file; outputs become .npy files");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "model file")->required();
  command
      ->add_option("--input", o->inputs,
                   "NAME=FILE (.npy, .jpg, .png, .bmp, .wav), or FILE for a single input")
      ->required();
  command->add_option("--signature", o->signature, kSignatureHelp);
  command->add_option("--output-dir", o->output_dir, "folder for NAME.npy of each output")
      ->required();
  command->add_option("--labels", o->labels,
                      "names of classes, one a line: says which have the highest scores");
  command->add_option("--threads", o->threads, "worker threads, 0: one per core")
      ->check(CLI::Range(0, 256));
  command->add_flag("--allow-float16", o->allow_float16,
                    "multiply in half precision where the CPU can; less precise");
  command->add_option("--preprocess", o->preprocess,
                      "how pictures become the input: stretch|letterbox|crop, bgr, mean=A[/B/C], "
                      "std=A[/B/C], pad=N, "
                      "comma separated");
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return run(*o, globals); }; });
}

}  // namespace inferd::ctl
