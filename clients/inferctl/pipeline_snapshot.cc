// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/connect.h"
#include "clients/inferctl/pipeline_commands.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string pipeline, output;
  SnapshotOptions snapshot;
};

Status write_file(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  return file ? ok_status() : unavailable("cannot write '" + path + "'");
}

Status snapshot(const Globals& globals, const Options& options) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const Snapshot taken,
                          client->snapshot(options.pipeline, options.snapshot));
  INFERD_RETURN_IF_ERROR(write_file(options.output, taken.jpeg));
  const WatchedFrame& frame = taken.frame;
  if (globals.json) {
    std::cout << nlohmann::json{{"output", options.output},
                                {"node", frame.node},
                                {"sequence", frame.sequence},
                                {"width", frame.width},
                                {"height", frame.height},
                                {"detections", frame.detections.size()}}
                     .dump(2)
              << "\n";
    return ok_status();
  }
  std::printf("%s: frame %llu of %s, %dx%d, %zu detections\n", options.output.c_str(),
              static_cast<unsigned long long>(frame.sequence), frame.node.c_str(), frame.width,
              frame.height, frame.detections.size());
  return ok_status();
}

}  // namespace

void add_pipeline_snapshot(CLI::App& pipeline, const Globals& globals, Run& chosen) {
  CLI::App* command =
      pipeline.add_subcommand("snapshot", "the next frame as a JPEG, its results drawn on it");
  const auto options = std::make_shared<Options>();
  command->add_option("NAME", options->pipeline, "pipeline")->required();
  command->add_option("--output", options->output, "the JPEG that is written")->required();
  command->add_option("--node", options->snapshot.node, "node whose frame; default: a last one");
  command->add_option("--quality", options->snapshot.quality, "1 to 100; default: 90");
  command->add_flag("--plain", options->snapshot.plain, "nothing is drawn");
  command->callback([&globals, &chosen, options] {
    chosen = [&globals, options] { return snapshot(globals, *options); };
  });
}

}  // namespace inferd::ctl
