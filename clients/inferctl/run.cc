// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "clients/inferctl/classes.h"
#include "clients/inferctl/command.h"
#include "clients/inferctl/inputs.h"
#include "clients/inferctl/measure/truth.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, signature, output_dir, preprocess, labels;
  std::vector<std::string> inputs;
  int threads = 0;
  bool allow_float16 = false;
};

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
    if (outputs[i].shape.elements() != static_cast<int64_t>(names.size())) continue;
    for (const auto& [index, score, name] : best_classes(outputs[i], info.quantization, names, 3)) {
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
  command->add_option(
      "--preprocess", o->preprocess,
      "how pictures become the input: stretch|letterbox|crop, bgr, mean=A[/B/C], "
      "std=A[/B/C], pad=N, roi=X/Y/W/H (parts of the picture), rotate=90|180|270, mirror, "
      "comma separated");
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return run(*o, globals); }; });
}

}  // namespace inferd::ctl
