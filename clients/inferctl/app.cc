// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/app.h"

#include "clients/inferctl/connect.h"

namespace inferd::ctl {
namespace {

const AddCommand kCommands[] = {add_inspect,  add_run,      add_bench,  add_compile,
                                add_quantize, add_evaluate, add_key,    add_status,
                                add_top,      add_health,   add_doctor, add_setup,
                                add_infer,    add_load,     add_model,  add_pipeline};

}  // namespace

void add_everything(CLI::App& app, Globals& globals, Run& chosen, const std::string& version) {
  app.description("inferctl: talk to an inferd daemon, and work on model files without one");
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
      "  inferctl top\n"
      "  inferctl setup camera --list\n"
      "  inferctl pipeline watch demo\n"
      "  inferctl key generate release.key\n"
      "  inferctl model sign models/detector/3 --name detector --version 3 --key release.key\n"
      "Exit codes: 0 ok, 1 the operation failed, 2 usage, 3 the daemon is not reachable");
  add_connection_options(app, globals);
  app.add_flag("--json", globals.json, "print JSON");
  globals.version = version;
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.fallthrough();  // --json and --endpoint may follow the command
  for (const AddCommand add : kCommands) add(app, globals, chosen);
}

}  // namespace inferd::ctl
