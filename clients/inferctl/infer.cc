// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "clients/inferctl/command.h"
#include "clients/inferctl/inputs.h"
#include "clients/inferctl/text.h"
#include "inferd/client/client.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model, version, output_dir, preprocess;
  std::vector<std::string> inputs;
  int top = 0;
};

// The largest values and their indices.
void print_top(const NamedResult& output, int top) {
  const std::vector<double> values = to_numbers(output.view());
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto count = std::min(order.size(), static_cast<size_t>(top));
  std::partial_sort(order.begin(), order.begin() + static_cast<long>(count), order.end(),
                    [&](size_t a, size_t b) { return values[a] > values[b]; });
  for (size_t i = 0; i < count; ++i) std::printf("  %6zu  %g\n", order[i], values[order[i]]);
}

Status infer(const Options& o, const Globals& globals) {
  const auto client = Client::connect(globals.endpoint);
  INFERD_ASSIGN_OR_RETURN(const ServedModelInfo model, client->model(o.model));
  INFERD_ASSIGN_OR_RETURN(const auto arrays, read_inputs(model.inputs, o.inputs, o.preprocess));
  std::vector<NamedTensor> inputs;
  for (size_t i = 0; i < arrays.size(); ++i)
    inputs.push_back({model.inputs[i].name, arrays[i].view()});
  INFERD_ASSIGN_OR_RETURN(const auto outputs, client->infer(o.model, inputs, o.version));
  nlohmann::json json = nlohmann::json::array();
  for (const NamedResult& output : outputs) {
    const TensorInfo info{output.name, output.dtype, output.shape, {}};
    if (!o.output_dir.empty())
      INFERD_RETURN_IF_ERROR(write_output(o.output_dir, output.name, output.view()));
    json.push_back(to_json(info));
    if (globals.json) continue;
    std::cout << to_text(info) << std::endl;
    if (o.top > 0) print_top(output, o.top);
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
      ->add_option("--input", o->inputs,
                   "NAME=FILE (.npy, .jpg, .png, .bmp), or FILE for a single input")
      ->required();
  command->add_option("--model-version", o->version, "version, the newest by default");
  command->add_option("--output-dir", o->output_dir, "write NAME.npy of each output there");
  command->add_option("--preprocess", o->preprocess, "how pictures become the input, as for `run`");
  command->add_option("--top", o->top, "print the N largest values of each output")
      ->check(CLI::Range(0, 1000));
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return infer(*o, globals); }; });
}

}  // namespace inferd::ctl
