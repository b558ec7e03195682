// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/command.h"
#include "clients/inferctl/setup/setup_camera.h"

namespace inferd::ctl {

void add_setup(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* setup = app.add_subcommand("setup", "writes files of pipelines for this machine");
  setup->require_subcommand(1);
  CLI::App* command = setup->add_subcommand(
      "camera", "lists the cameras of V4L2 and libcamera, and writes a pipeline with one of them");
  const auto options = std::make_shared<CameraOptions>();
  CLI::Option* list =
      command->add_flag("--list", options->list, "say which cameras there are, write nothing");
  command->add_option("--camera", options->camera, "which one: its id, device or name")
      ->excludes(list);
  command
      ->add_option("--model", options->model,
                   "a model of the daemon that detects things; by default the first that does")
      ->excludes(list);
  command->add_option("--output", options->output, "the file")->capture_default_str();
  command
      ->add_option("--size", options->size,
                   "WIDTHxHEIGHT of its pictures; by default the nearest to 640x480")
      ->excludes(list);
  command->add_option("--fps", options->fps, "pictures a second; by default at most 30")
      ->check(CLI::Range(0.1, 1000.0))
      ->excludes(list);
  command->add_flag("--yes", options->yes, "ask nothing: of several cameras the first");
  command->add_flag("--force", options->force, "replace the file");
  command->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return setup_camera(globals, *options); };
  });
}

}  // namespace inferd::ctl
