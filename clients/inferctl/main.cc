// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"

namespace inferd::ctl {
namespace {

const AddCommand kCommands[] = {add_inspect,  add_run,   add_bench,   add_compile, add_quantize,
                                add_evaluate, add_key,   add_status,  add_health,  add_infer,
                                add_load,     add_model, add_pipeline};

// Commands that need no daemon.
constexpr std::string_view kLocal[] = {"inspect",  "run", "bench",      "compile",     "quantize",
                                       "evaluate", "key", "model sign", "model verify"};

bool talks_to_daemon(const CLI::App& app) {
  const CLI::App* command = app.get_subcommands()[0];
  const auto subcommands = command->get_subcommands();
  const std::string name = command->get_name();
  const std::string full = subcommands.empty() ? name : name + " " + subcommands[0]->get_name();
  return std::none_of(std::begin(kLocal), std::end(kLocal),
                      [&](std::string_view local) { return local == name || local == full; });
}

int exit_code(const Status& status, bool asked_daemon) {
  if (status.ok()) return kExitOk;
  const bool unreachable =
      status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDeadlineExceeded;
  return asked_daemon && unreachable ? kExitUnreachable : kExitFailed;
}

int run(int argc, char** argv) {
  CLI::App app{"inferctl: talk to an inferd daemon, and work on model files without one"};
  app.footer(
      "Examples:\n"
      "  inferctl inspect model.tflite\n"
      "  inferctl run model.tflite --input photo.jpg --output-dir out\n"
      "  inferctl bench model.onnx --threads 2 --profile\n"
      "  inferctl compile model.tflite -o model.ifd\n"
      "  inferctl quantize model.tflite -o int8.onnx --calibrate photos --preprocess "
      "mean=127.5,std=127.5\n"
      "  inferctl evaluate int8.onnx --task ssd --data photos --against detector.tflite "
      "--preprocess mean=127.5,std=127.5\n"
      "  inferctl --endpoint unix:/tmp/inferd.sock infer detector --input photo.jpg\n"
      "  inferctl --endpoint unix:/tmp/inferd.sock load detector --rate 200 --poisson\n"
      "  inferctl pipeline watch demo\n"
      "  inferctl key generate release.key\n"
      "  inferctl model sign models/detector/3 --name detector --version 3 --key release.key\n"
      "Exit codes: 0 ok, 1 the operation failed, 2 usage, 3 the daemon is not reachable");
  Globals globals;
  add_connection_options(app, globals);
  app.add_flag("--json", globals.json, "print JSON");
  app.set_version_flag("--version", INFERD_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // --json and --endpoint may follow the command
  Run chosen;
  for (const AddCommand add : kCommands) add(app, globals, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  const Status status = chosen();
  const int code = exit_code(status, talks_to_daemon(app));
  if (code == kExitUnreachable) {
    std::cerr << "inferctl: no daemon answers at " << globals.endpoint << " (" << status.message()
              << ")\n";
  } else if (code != kExitOk) {
    std::cerr << "inferctl: " << status.message() << "\n";
  }
  return code;
}

}  // namespace
}  // namespace inferd::ctl

int main(int argc, char** argv) { return inferd::ctl::run(argc, argv); }
