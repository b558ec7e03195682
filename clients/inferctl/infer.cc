// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "clients/inferctl/classes.h"
#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/inputs.h"
#include "clients/inferctl/measure/truth.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, version, output_dir, preprocess, labels;
  std::vector<std::string> inputs, outputs;
  int top = 0, priority = 0;
  int64_t deadline_ms = 0;
};

constexpr int kTopWithLabels = 3;  // where there are labels and --top is not given

struct Summary {
  double min = 0, max = 0, mean = 0;
};

// Of an output with elements.
Summary summary_of(const TensorView& output) {
  const std::vector<double> values = to_numbers(output);
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {*min, *max, sum / static_cast<double>(values.size())};
}

// The classes of an output, best first, where `names` has one for each, or `top` says how many.
std::vector<Class> classes_of(const NamedResult& output, const std::vector<std::string>& names,
                              int top) {
  const bool has_labels = output.shape.elements() == static_cast<int64_t>(names.size());
  const int count = top > 0 ? top : has_labels ? kTopWithLabels : 0;
  std::vector<Class> classes;
  for (auto& [index, score, name] :
       best_classes(output.view(), {}, names, static_cast<size_t>(count)))
    classes.push_back({score, index, std::move(name)});
  return classes;
}

// Whether the daemon's labels are those of what a request put out: a single vector of scores.
bool is_classification(const std::vector<NamedResult>& outputs) {
  if (outputs.size() != 1 || outputs[0].shape.rank() == 0) return false;
  const Shape& shape = outputs[0].shape;
  return shape.back() > 1 && shape.elements() == shape.back();
}

// Prints an output, and returns the same as JSON.
nlohmann::json show(const NamedResult& output, const std::vector<Class>& classes, bool quiet) {
  const TensorInfo info{output.name, output.dtype, output.shape, {}};
  nlohmann::json json = to_json(info);
  if (!quiet) std::cout << to_text(info);
  if (output.shape.elements() > 0) {
    const Summary summary = summary_of(output.view());
    json["min"] = summary.min;
    json["mean"] = summary.mean;
    json["max"] = summary.max;
    if (!quiet) std::printf("  min %g  mean %g  max %g", summary.min, summary.mean, summary.max);
  }
  if (!quiet) std::printf("\n");
  for (const auto& [score, index, label] : classes) {
    nlohmann::json found = {{"index", index}, {"score", score}};
    if (!label.empty()) found["name"] = label;
    json["classes"].push_back(std::move(found));
    if (!quiet) std::printf("  %6zu  %g  %s\n", index, score, label.c_str());
  }
  return json;
}

Status infer(const Options& o, const Globals& globals) {
  std::vector<std::string> names;
  if (!o.labels.empty()) {
    INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(o.labels));
    INFERD_ASSIGN_OR_RETURN(names, parse_names(text, o.labels));
  }
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const ServedModelInfo model, client->model(o.model));
  INFERD_ASSIGN_OR_RETURN(const auto arrays, read_inputs(model.inputs, o.inputs, o.preprocess));
  std::vector<NamedTensor> inputs;
  for (size_t i = 0; i < arrays.size(); ++i)
    inputs.push_back({model.inputs[i].name, arrays[i].view()});
  const InferOptions options{o.version, o.outputs, o.priority, o.deadline_ms};
  INFERD_ASSIGN_OR_RETURN(const auto outputs, client->infer(o.model, inputs, options));
  // Asked for apart: an output comes as it is or as classes.
  std::vector<NamedClasses> labelled;
  if (o.labels.empty() && model.has_labels && is_classification(outputs)) {
    const int top = o.top > 0 ? o.top : kTopWithLabels;
    INFERD_ASSIGN_OR_RETURN(labelled, client->classify(o.model, inputs, top, options));
  }
  nlohmann::json json = nlohmann::json::array();
  for (const NamedResult& output : outputs) {
    if (!o.output_dir.empty())
      INFERD_RETURN_IF_ERROR(write_output(o.output_dir, output.name, output.view()));
    const bool has_classes = labelled.size() == 1 && labelled[0].rows.size() == 1;
    json.push_back(show(output,
                        has_classes ? labelled[0].rows[0] : classes_of(output, names, o.top),
                        globals.json));
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

}  // namespace

void add_infer(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("infer", "one inference by the daemon");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "model name")->required();
  command
      ->add_option(
          "--input,INPUT", o->inputs,
          "NAME=FILE (.npy, .jpg, .png, .bmp, .wav) for each input, or FILE for a single one")
      ->required();
  command->add_option("--model-version", o->version, "version, the newest by default");
  command->add_option("--output-dir", o->output_dir, "write NAME.npy of each output there");
  command->add_option("--output", o->outputs, "name of an output that is wanted; all by default");
  command->add_option(
      "--labels", o->labels,
      "names of classes, one a line: says which have the highest scores; by default "
      "those that the daemon has for the model");
  command->add_option("--priority", o->priority, "1 is the most urgent; 0: the model's default")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--deadline-ms", o->deadline_ms, "10 s by default")
      ->check(CLI::Range(1, 86'400'000));
  command->add_option("--preprocess", o->preprocess, "how pictures become the input, as for `run`");
  command->add_option("--top", o->top, "print the N largest values of each output")
      ->check(CLI::Range(0, 1000));
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return infer(*o, globals); }; });
}

}  // namespace inferd::ctl
