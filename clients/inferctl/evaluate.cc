// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include "clients/inferctl/command.h"
#include "clients/inferctl/contestant.h"
#include "clients/inferctl/labelled_data.h"
#include "clients/inferctl/measure/agreement.h"
#include "clients/inferctl/measure/closeness.h"
#include "clients/inferctl/progress.h"
#include "clients/inferctl/score.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, against, task, preprocess, labels, data_labels;
  DataOptions data;
  int threads = 0;
};

// The answers of two models beside each other.
struct Match {
  std::optional<Agreement> agreement;  // absent where outputs tell neither classes nor boxes
  std::vector<Closeness> outputs;

  // INVALID_ARGUMENT when sizes that were open turn out to be different.
  Status add(const Contestant& a, const Contestant& b) {
    const auto& expected = a.outputs();
    const auto& got = b.outputs();
    const bool same =
        std::equal(expected.begin(), expected.end(), got.begin(), got.end(),
                   [](const TensorView& x, const TensorView& y) { return x.shape == y.shape; });
    if (!same) return invalid_argument("gives outputs of different shapes");
    if (agreement) agreement->add(expected, got);
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].add(expected[i].as<float>(), got[i].as<float>());
    }
    return ok_status();
  }
};

// What is open in one fits any size in the other.
bool may_be_equal(const TensorInfo& a, const TensorInfo& b) {
  return std::equal(
      a.shape.begin(), a.shape.end(), b.shape.begin(), b.shape.end(),
      [](int64_t x, int64_t y) { return x == y || x == kDynamicDim || y == kDynamicDim; });
}

// Both must put out the same tensors, but for their types.
Result<Match> make_match(const Task& task, const Contestant& a, const Contestant& b) {
  const auto& expected = a.output_infos();
  const auto& got = b.output_infos();
  const bool same =
      std::equal(expected.begin(), expected.end(), got.begin(), got.end(), may_be_equal);
  if (!same) {
    return invalid_argument("'" + a.path() + "' and '" + b.path() +
                            "' have outputs of different shapes: their answers do not compare");
  }
  Match match{std::nullopt, std::vector<Closeness>(expected.size())};
  if (task.agreement.empty()) return match;
  auto agreement = Agreement::create(task.agreement, a.input(), expected);
  if (agreement.ok()) {
    match.agreement = std::move(*agreement);
  } else if (task.agreement != "auto") {
    return agreement.status();
  }
  return match;
}

struct Evaluation {
  std::vector<Contestant> models;
  std::optional<Match> match;
  size_t samples = 0, missing = 0;
};

Result<std::vector<std::string>> names_in(const std::string& path) {
  if (path.empty()) return std::vector<std::string>();
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(path));
  return parse_names(text, path);
}

Result<Evaluation> evaluate(const Options& o, const Task& task) {
  EngineOptions engine_options;
  engine_options.threads = o.threads;
  engine_options.log = print_warnings;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  ClassNames names;
  INFERD_ASSIGN_OR_RETURN(names.model, names_in(o.labels));
  INFERD_ASSIGN_OR_RETURN(names.data, names_in(o.data_labels));
  DataOptions data_options = o.data;
  data_options.names = names.model;
  INFERD_ASSIGN_OR_RETURN(const LabelledData data, LabelledData::open(task.truth, data_options));
  Evaluation result;
  result.samples = data.samples().size();
  result.missing = data.missing();
  for (const std::string& path : {o.model, o.against}) {
    if (path.empty()) continue;
    INFERD_ASSIGN_OR_RETURN(Contestant model, Contestant::create(*engine, path, task, names));
    result.models.push_back(std::move(model));
  }
  if (result.models.size() > 1) {
    INFERD_ASSIGN_OR_RETURN(result.match, make_match(task, result.models[0], result.models[1]));
  }
  Progress progress;
  for (size_t i = 0; i < result.samples; ++i) {
    const LabelledSample& sample = data.samples()[i];
    std::vector<std::vector<SampleInput>> inputs;  // of each model, which may take another type
    for (const Contestant& model : result.models) {
      INFERD_ASSIGN_OR_RETURN(auto runs, read_sample(sample, model.input(), o.preprocess));
      inputs.push_back(std::move(runs));
    }
    for (size_t run = 0; run < inputs[0].size(); ++run) {
      for (size_t m = 0; m < inputs.size(); ++m) {
        INFERD_RETURN_IF_ERROR(
            result.models[m].run(sample, inputs[m][run]).with_context(sample.path));
      }
      if (result.match) {
        INFERD_RETURN_IF_ERROR(
            result.match->add(result.models[0], result.models[1]).with_context(sample.path));
      }
    }
    progress.show("evaluating", i + 1, result.samples);
  }
  return result;
}

nlohmann::json to_json(const Match& match, const Contestant& model) {
  nlohmann::json json = {{"outputs", nlohmann::json::array()}};
  for (size_t i = 0; i < match.outputs.size(); ++i) {
    json["outputs"].push_back({{"name", model.output_infos()[i].name},
                               {"cosine", match.outputs[i].cosine()},
                               {"sqnr_db", match.outputs[i].sqnr_db()}});  // infinite: null
  }
  if (match.agreement) json["answers"] = to_json(*match.agreement);
  return json;
}

void print_json(const Task& task, const Evaluation& e) {
  nlohmann::json json = {{"task", task.name},
                         {"samples", e.samples},
                         {"missing", e.missing},
                         {"models", nlohmann::json::array()}};
  for (const Contestant& model : e.models) {
    nlohmann::json one = {{"model", model.path()}, {"ms", model.median_ms()}};
    for (const Figure& figure : model.figures()) one[figure.key] = figure.value;
    json["models"].push_back(std::move(one));
  }
  if (e.match) json["agreement"] = to_json(*e.match, e.models[0]);
  std::cout << json.dump(2) << "\n";
}

void print_text(const Task& task, const Evaluation& e) {
  std::printf("%s: %zu samples", task.name.c_str(), e.samples);
  if (e.missing > 0) std::printf(" (%zu more are listed, but not there)", e.missing);
  std::printf("\n");
  for (const Contestant& model : e.models) {
    for (const Figure& figure : model.figures()) {
      if (figure.is_share) {
        std::printf("%-8s %6.2f %%  ", figure.key.c_str(), figure.value * 100);
      } else {
        std::printf("%-8s %-8.4g  ", figure.key.c_str(), figure.value);
      }
    }
    std::printf("%8.3f ms  %s\n", model.median_ms(), model.path().c_str());
  }
  if (!e.match) return;
  if (e.match->agreement) print_agreement(*e.match->agreement);
  for (size_t i = 0; i < e.match->outputs.size(); ++i) {
    const Closeness& closeness = e.match->outputs[i];
    std::printf("output '%s': cosine %.6f, SQNR %.1f dB\n",
                e.models[0].output_infos()[i].name.c_str(), closeness.cosine(),
                closeness.sqnr_db());
  }
}

Status run(const Options& o, const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const Task task, find_task(o.task));
  if (task.truth == Truth::kNone && o.against.empty()) {
    return invalid_argument("--task " + o.task + " takes a second model: --against MODEL");
  }
  INFERD_ASSIGN_OR_RETURN(const Evaluation evaluation, evaluate(o, task));
  if (globals.json) {
    print_json(task, evaluation);
  } else {
    print_text(task, evaluation);
  }
  return ok_status();
}

}  // namespace

void add_evaluate(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command =
      app.add_subcommand("evaluate", "how good a model's answers are on labelled data");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "model file")->required();
  command
      ->add_option("--task", o->task,
                   "classify, anomaly, detect or a style of detector (detections, ssd, blazeface, "
                   "fastestdet, yunet, yolox, nanodet), agree")
      ->required();
  command->add_option("--data", o->data.folder, "folder of samples and what is true of them")
      ->required();
  command->add_option("--truth", o->data.truth,
                      "list of files and classes, or folder of boxes, where it is not in the data");
  command->add_option("--labels", o->labels, "names of the model's classes, one a line");
  command->add_option("--data-labels", o->data_labels,
                      "names of the data's classes, to match the model's by name");
  command->add_option("--preprocess", o->preprocess, "how pictures become the input, as for run");
  command->add_option("--against", o->against, "a second model, to compare with");
  command->add_option("--limit", o->data.limit, "so many samples, evenly over all of them; 0: all");
  command->add_option("--threads", o->threads, "worker threads, 0: one per core")
      ->check(CLI::Range(0, 256));
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return run(*o, globals); }; });
}

}  // namespace inferd::ctl
