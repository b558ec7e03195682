// SPDX-License-Identifier: Apache-2.0
//
// A file as configuration, and as a model's part of it. fuzz_pipeline.cc goes further with
// pipelines.
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/pipeline/graph.h"

namespace inferd {
namespace {

void fuzz(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("config", MFD_CLOEXEC);
  if (::write(fd, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  (void)config::load_model(path).ok();
  const auto config = config::load(path);
  ::close(fd);
  if (!config.ok()) {
    // Whoever wrote the file must be told something, at some place.
    if (config.status().message().empty()) __builtin_trap();
    return;
  }
  for (const config::PipelineConfig& pipeline : config->pipelines) {
    const auto graph = pipeline::make_graph(pipeline);
    if (!graph.ok()) {
      if (graph.status().message().empty()) __builtin_trap();
      continue;
    }
    if (graph->instances.size() > pipeline::kMaxGraphNodes) __builtin_trap();
  }
}

}  // namespace
}  // namespace inferd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  inferd::fuzz(data, size);
  return 0;
}
