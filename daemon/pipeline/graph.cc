// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/graph.h"

#include <algorithm>
#include <map>

namespace inferd::pipeline {
namespace {

using config::PipelineNode;

// Collects errors and the order in which nodes can be made.
class Sorter {
 public:
  explicit Sorter(const std::vector<PipelineNode>& nodes) : nodes_(nodes) {}

  // Indices of nodes, each after those that it reads. Empty where there are errors.
  std::vector<size_t> sort(std::string& errors) {
    for (size_t i = 0; i < nodes_.size(); ++i) check(i);
    state_.assign(nodes_.size(), State::kNew);
    for (size_t i = 0; i < nodes_.size(); ++i) visit(i);
    for (size_t i = 0; i < nodes_.size(); ++i) check_use(i);
    errors = errors_;
    return errors_.empty() ? order_ : std::vector<size_t>();
  }

 private:
  enum class State { kNew, kOpen, kDone };

  void error(size_t i, const std::string& message) {
    errors_ += (errors_.empty() ? "" : "\n") + nodes_[i].mark.to_string() + ": " + message;
  }

  void check(size_t i) {
    const PipelineNode& node = nodes_[i];
    const std::string name = "node '" + node.name + "'";
    if (!names_.emplace(node.name, i).second) error(i, name + " is there twice");
    if (node.source.has_value() == !node.from.empty())
      error(i, name + " needs either a 'source' or 'from'");
    if (node.join && node.from.size() < 2)
      error(i, name + " joins, and needs at least two nodes in 'from'");
    if (node.source && (node.every > 1 || node.max_fps > 0) && node.stages.empty() &&
        node.sinks.empty()) {
      error(i, name + " has only a source; 'every' and 'max_fps' belong to nodes that read it");
    }
  }

  void visit(size_t i) {
    if (state_[i] != State::kNew) return;
    state_[i] = State::kOpen;
    for (const std::string& name : nodes_[i].from) {
      const auto found = names_.find(name);
      if (found == names_.end()) {
        error(i, "node '" + nodes_[i].name + "' reads '" + name +
                     "', which is no node; there are: " + all_names());
      } else if (state_[found->second] == State::kOpen) {
        error(i, "node '" + nodes_[i].name + "' reads '" + name + "', which reads it: a circle");
      } else {
        read_[found->second] = true;
        visit(found->second);
      }
    }
    state_[i] = State::kDone;
    order_.push_back(i);
  }

  void check_use(size_t i) {
    const PipelineNode& node = nodes_[i];
    if (!read_[i] && node.source && node.stages.empty() && node.sinks.empty())
      error(i, "nobody takes the frames of node '" + node.name + "'");
  }

  std::string all_names() const {
    std::string names;
    for (const PipelineNode& node : nodes_) names += (names.empty() ? "" : ", ") + node.name;
    return names;
  }

  const std::vector<PipelineNode>& nodes_;
  std::map<std::string, size_t> names_;
  std::vector<State> state_;
  std::map<size_t, bool> read_;
  std::vector<size_t> order_;
  std::string errors_;
};

// Makes the instances of nodes that come in order.
class Maker {
 public:
  explicit Maker(Graph& graph) : graph_(graph), made_(graph.nodes.size()) {}

  Status make(size_t index) {
    const PipelineNode& node = graph_.nodes[index];
    if (node.source) {
      const bool only = node.stages.empty() && node.sinks.empty();
      const std::string name = only ? node.name : node.name + ":source";
      const size_t source = add({index, true, name, node.name, {}, {}, {}});
      if (only) {
        made_[index] = {source};
      } else {
        made_[index] = {add({index, false, node.name, node.name, {source}, {}, {}})};
      }
    } else if (node.join) {
      INFERD_RETURN_IF_ERROR(make_join(index));
    } else {
      make_each_way(index);
    }
    if (graph_.instances.size() <= kMaxGraphNodes) return ok_status();
    return invalid_argument(node.mark.to_string() + ": with node '" + node.name +
                            "', the pipeline has more than " + std::to_string(kMaxGraphNodes) +
                            " nodes; each is there once for each way to it");
  }

 private:
  size_t add(GraphNode node) {
    const size_t index = graph_.instances.size();
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      graph_.instances[node.inputs[i]].readers.push_back(index);
      graph_.instances[node.inputs[i]].reader_inputs.push_back(i);
    }
    graph_.instances.push_back(std::move(node));
    return index;
  }

  std::vector<size_t>& ways_to(const std::string& name) {
    const auto at = std::find_if(graph_.nodes.begin(), graph_.nodes.end(),
                                 [&](const PipelineNode& n) { return n.name == name; });
    return made_[static_cast<size_t>(at - graph_.nodes.begin())];
  }

  Status make_join(size_t index) {
    const PipelineNode& node = graph_.nodes[index];
    GraphNode made{index, false, node.name, "", {}, {}, {}};
    for (const std::string& name : node.from) {
      const std::vector<size_t>& ways = ways_to(name);
      if (ways.size() != 1) {
        return invalid_argument(node.mark.to_string() + ": node '" + node.name + "' joins '" +
                                name + "', which is there " + std::to_string(ways.size()) +
                                " times, once for each source; join before, or one of them");
      }
      made.inputs.push_back(ways[0]);
    }
    made.source = graph_.instances[made.inputs[0]].source;
    made_[index] = {add(std::move(made))};
    return ok_status();
  }

  void make_each_way(size_t index) {
    const PipelineNode& node = graph_.nodes[index];
    std::vector<size_t> ways;
    for (const std::string& name : node.from) {
      const std::vector<size_t>& more = ways_to(name);
      ways.insert(ways.end(), more.begin(), more.end());
    }
    // By source where that tells them apart.
    const auto by_source = [&](size_t a) {
      return std::count_if(ways.begin(), ways.end(), [&](size_t b) {
               return graph_.instances[a].source == graph_.instances[b].source;
             }) == 1;
    };
    const bool sources_differ = std::all_of(ways.begin(), ways.end(), by_source);
    for (const size_t way : ways) {
      const GraphNode input = graph_.instances[way];
      std::string name = node.name;
      if (ways.size() > 1) name += "@" + (sources_differ ? input.source : input.name);
      made_[index].push_back(add({index, false, name, input.source, {way}, {}, {}}));
      if (graph_.instances.size() > kMaxGraphNodes) return;
    }
  }

  Graph& graph_;
  std::vector<std::vector<size_t>> made_;  // instances of each configured node that give its frames
};

// What a node does, in a few words.
std::string describe(const Graph& graph, const GraphNode& instance) {
  const PipelineNode& node = graph.nodes[instance.config];
  if (instance.is_source) return node.source->type;
  std::string text;
  const auto say = [&](const std::string& more) { text += (text.empty() ? "" : " > ") + more; };
  if (node.join) say("join");
  if (node.every > 1) say("every " + std::to_string(node.every));
  if (node.max_fps > 0) {
    std::string rate = std::to_string(node.max_fps);
    rate.erase(rate.find_last_not_of('0') + 1);
    if (rate.ends_with('.')) rate.pop_back();
    say("at most " + rate + " fps");
  }
  if (node.each) say(node.each->tile ? "each tile" : "each box");
  for (const config::NodeConfig& stage : node.stages) {
    const auto model = stage.entries.find("model");
    const bool names_model = stage.type == "infer" && model != stage.entries.end();
    say(stage.type + (names_model ? " " + model->second.items[0] : ""));
  }
  for (const config::NodeConfig& sink : node.sinks) say("sink " + sink.type);
  return text.empty() ? "passes on" : text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

Result<Graph> make_graph(const config::PipelineConfig& config) {
  Graph graph;
  graph.nodes = config.nodes;
  if (graph.nodes.empty()) {
    PipelineNode line;
    line.name = "main";
    line.source = config.source;
    line.stages = config.stages;
    line.sinks = config.sinks;
    line.mark = config.mark;
    graph.nodes.push_back(std::move(line));
    // A source whose results only those see who watch.
    graph.instances.push_back({0, true, "main:source", "main", {}, {1}, {0}});
    graph.instances.push_back({0, false, "main", "main", {0}, {}, {}});
    return graph;
  }
  std::string errors;
  const std::vector<size_t> order = Sorter(graph.nodes).sort(errors);
  if (!errors.empty()) return invalid_argument(errors);
  Maker maker(graph);
  for (const size_t index : order) INFERD_RETURN_IF_ERROR(maker.make(index));
  return graph;
}

std::string draw_text(const Graph& graph) {
  std::vector<size_t> depth(graph.instances.size());
  std::string text;
  // Below the first that it reads; a join names the others.
  const auto draw = [&](const auto& self, size_t i) -> void {
    const GraphNode& instance = graph.instances[i];
    text += std::string(depth[i] * 2, ' ') + instance.name + ": " + describe(graph, instance);
    for (size_t k = 1; k < instance.inputs.size(); ++k)
      text += (k == 1 ? ", with " : ", ") + graph.instances[instance.inputs[k]].name;
    text += "\n";
    for (const size_t reader : instance.readers) {
      if (graph.instances[reader].inputs[0] != i) continue;
      depth[reader] = depth[i] + 1;
      self(self, reader);
    }
  };
  for (size_t i = 0; i < graph.instances.size(); ++i) {
    if (graph.instances[i].is_source) draw(draw, i);
  }
  return text;
}

std::string draw_dot(const std::string& name, const Graph& graph) {
  std::string dot = "digraph \"" + escaped(name) + "\" {\n  rankdir=LR;\n  node [shape=box];\n";
  for (size_t i = 0; i < graph.instances.size(); ++i) {
    const GraphNode& instance = graph.instances[i];
    dot += "  n" + std::to_string(i) + " [label=\"" + escaped(instance.name) + "\\n" +
           escaped(describe(graph, instance)) + "\"" + (instance.is_source ? ", shape=oval" : "") +
           "];\n";
  }
  for (size_t i = 0; i < graph.instances.size(); ++i) {
    for (const size_t reader : graph.instances[i].readers)
      dot += "  n" + std::to_string(i) + " -> n" + std::to_string(reader) + ";\n";
  }
  return dot + "}\n";
}

}  // namespace inferd::pipeline
