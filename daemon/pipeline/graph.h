// SPDX-License-Identifier: Apache-2.0
//
// The shape of a pipeline: which nodes there are, and who gives frames to whom.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace inferd::pipeline {

// A node is there once for each way that frames come to it: behind two cameras, twice. So each has
// frames of one source in their order, and trackers and counters of its own.
struct GraphNode {
  size_t config = 0;  // of Graph::nodes
  bool is_source = false;
  // "detect", or "detect@front" where there are several; "detect:source" for the source of a node
  // that also has stages or sinks.
  std::string name;
  std::string source;  // name of the source that its frames come from; of a join, the first one's
  std::vector<size_t> inputs;         // of Graph::instances; several of a join only
  std::vector<size_t> readers;        // of Graph::instances, with ...
  std::vector<size_t> reader_inputs;  // ... which of their inputs this is
};

struct Graph {
  std::vector<config::PipelineNode> nodes;  // as configured, of a straight line as well
  std::vector<GraphNode> instances;         // each after its inputs
};

inline constexpr size_t kMaxGraphNodes = 256;

// INVALID_ARGUMENT with every error, "file:line:column: message" each: names that are missing,
// stand twice or are not known, circles, nodes without frames or whose frames nobody takes, more
// than kMaxGraphNodes.
Result<Graph> make_graph(const config::PipelineConfig& config);

// For people: a line for each node, indented below what it reads.
std::string draw_text(const Graph& graph);
// For Graphviz.
std::string draw_dot(const std::string& name, const Graph& graph);

}  // namespace inferd::pipeline
