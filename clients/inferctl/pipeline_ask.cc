// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/connect.h"
#include "clients/inferctl/pipeline_commands.h"
#include "media/file.h"

namespace inferd::ctl {
namespace {

Status ask(const Globals& globals, const std::string& pipeline, const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const auto picture, media::read_file(path));
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  const auto frames = client->ask(pipeline, picture);
  if (!frames.ok()) return frames.status().with_context(path);
  for (const WatchedFrame& frame : *frames) print_frame(globals, frame);
  return ok_status();
}

}  // namespace

void add_pipeline_ask(CLI::App& pipeline, const Globals& globals, Run& chosen) {
  CLI::App* command =
      pipeline.add_subcommand("ask", "what its stages make of one picture, whether it runs or not");
  const auto name = std::make_shared<std::string>();
  const auto path = std::make_shared<std::string>();
  command->add_option("NAME", *name, "pipeline")->required();
  command->add_option("PICTURE", *path, "a JPEG, PNG or BMP")->required();
  command->callback([&globals, &chosen, name, path] {
    chosen = [&globals, name, path] { return ask(globals, *name, *path); };
  });
}

}  // namespace inferd::ctl
