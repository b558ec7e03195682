// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>

#include "clients/inferctl/command.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string model;
  std::string output;
  std::string isa;
  std::string signature;
  CompiledWeights weights = CompiledWeights::kBoth;
  bool allow_float16 = false;
};

Status compile(const Options& options, const Globals& globals) {
  EngineOptions engine_options;
  engine_options.allow_float16 = options.allow_float16;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  INFERD_RETURN_IF_ERROR(engine->compile(
      options.model, options.output, {.weights = options.weights, .isa = options.isa},
      {.limits = {}, .states = {}, .signature = options.signature}));
  std::error_code error;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(options.output, error));
  if (error) return unavailable("cannot look at '" + options.output + "': " + error.message());
  if (globals.json) {
    std::cout << nlohmann::json({{"file", options.output}, {"bytes", bytes}}).dump(2) << "\n";
  } else {
    std::cout << options.output << ": " << human(bytes) << "B\n";
  }
  return ok_status();
}

}  // namespace

void add_compile(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand(
      "compile", "write a model as a file that loads without import, optimisation and packing");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->model, "model file")->required();
  command->add_option("-o,--output", options->output, "compiled model, OUT.ifd")->required();
  command->add_option("--signature", options->signature, kSignatureHelp);
  command->add_option("--isa", options->isa,
                      "instruction set to pack weights for; by default the best of this CPU");
  command
      ->add_option("--weights", options->weights,
                   "both: packed for this CPU and raw; raw: smaller, packed when it is loaded; "
                   "packed: for CPUs and engines alike only")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, CompiledWeights>{{"both", CompiledWeights::kBoth},
                                                 {"raw", CompiledWeights::kRaw},
                                                 {"packed", CompiledWeights::kPacked}}));
  command->add_flag("--allow-float16", options->allow_float16,
                    "for an engine that is allowed to multiply in half precision");
  command->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return compile(*options, globals); };
  });
}

}  // namespace inferd::ctl
