// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/run_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const inferd::ir::Graph graph = inferd::random_graph(inferd::ByteSource({data, size}));
  if (graph.nodes().empty()) return 0;
  const inferd::Status status = inferd::run_graph(graph);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n%s\n", status.to_string().c_str(), inferd::ir::to_text(graph).c_str());
  __builtin_trap();
}
