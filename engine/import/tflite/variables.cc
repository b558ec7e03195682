// SPDX-License-Identifier: Apache-2.0
#include "engine/import/tflite/variables.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/import/control.h"

namespace inferd::import {
namespace {

using Key = std::string;  // of a variable

struct Variable {
  ForeignTensor type;                       // its name is the variable's, for messages
  std::shared_ptr<const Constant> initial;  // null: zeros
};
struct Memory {
  std::map<Key, Variable> variables;
  std::map<Key, std::string> names;  // of those that handles were made for
};

// Inputs that are states, where they are variable tensors.
struct Remembering {
  const char* op;
  std::vector<size_t> states;
};
const Remembering kRemembering[] = {
    {"BIDIRECTIONAL_SEQUENCE_LSTM", {35, 36, 37, 38}},
    {"BIDIRECTIONAL_SEQUENCE_RNN", {4, 8}},
    {"LSTM", {18, 19}},
    {"RNN", {4}},
    {"SVDF", {4}},
    {"UNIDIRECTIONAL_SEQUENCE_LSTM", {18, 19}},
    {"UNIDIRECTIONAL_SEQUENCE_RNN", {4}},
};

bool is_state(const ForeignNode& node, size_t input) {
  if (!node.domain.empty()) return false;
  return std::any_of(std::begin(kRemembering), std::end(kRemembering), [&](const Remembering& r) {
    return node.op == r.op && std::find(r.states.begin(), r.states.end(), input) != r.states.end();
  });
}

bool is_op(const ForeignNode& node, std::string_view op) {
  return node.domain.empty() && node.op == op;
}

bool is_variable_tensor(const ForeignTensor& t) { return t.is_variable && !t.has_data; }

// Zeros; 8-bit ones with a zero point as what stands for zero.
std::shared_ptr<const Constant> zeros(const ForeignTensor& t, int64_t bytes) {
  const bool offset = t.dtype == DType::kInt8 && !t.quantization.empty();
  const auto zero = static_cast<std::byte>(offset ? t.quantization.zero_point() : 0);
  return Constant::own(std::vector<std::byte>(static_cast<size_t>(bytes), zero));
}

// Rewrites one graph.
class Threader {
 public:
  Threader(Memory& memory, const ForeignGraph& from) : memory_(memory), from_(from), graph_(from) {
    graph_.nodes.clear();
    graph_.inputs.clear();
    graph_.outputs.clear();
    for (const auto& [name, tensor] : from.tensors) {
      if (is_variable_tensor(tensor)) graph_.tensors.erase(name);
    }
  }

  // `handles`: the variables that inputs of these indices lead to. Such inputs go.
  Status run(const std::map<size_t, Key>& handles) {
    for (size_t i = 0; i < from_.inputs.size(); ++i) {
      const auto handle = handles.find(i);
      if (handle != handles.end()) {
        handles_[from_.inputs[i]] = handle->second;
      } else {
        graph_.inputs.push_back(from_.inputs[i]);
      }
    }
    made_.insert(from_.inputs.begin(), from_.inputs.end());
    for (const ForeignNode& node : from_.nodes) {
      made_.insert(node.outputs.begin(), node.outputs.end());
    }
    for (const ForeignNode& node : from_.nodes) {
      INFERD_RETURN_IF_ERROR(add(node).with_context(node.op + " '" + node.name + "'"));
    }
    for (size_t i = 0; i < from_.outputs.size(); ++i) {
      const auto handle = handles_.find(from_.outputs[i]);
      if (handle != handles_.end()) {
        handle_outputs_[i] = handle->second;
        continue;
      }
      INFERD_ASSIGN_OR_RETURN(graph_.outputs.emplace_back(), resolve(from_.outputs[i]));
    }
    return ok_status();
  }

  // As the model's own graph.
  ForeignGraph finish() {
    for (const Key& key : used_) {
      const Variable& variable = memory_.variables.at(key);
      const std::string& name = before_.at(key);
      if (assigned_.contains(key)) {
        graph_.inputs.push_back(name);
        graph_.outputs.push_back(current_.at(key));
        graph_.initial_states.push_back(variable.initial);
      } else {
        ForeignTensor& tensor = graph_.tensors.at(name);
        tensor.has_data = true;
        tensor.data = variable.initial;
      }
    }
    return std::move(graph_);
  }

  // As a body that takes `taken` and gives `given`, some of `taken`.
  std::shared_ptr<const ForeignGraph> finish_body(const std::vector<Key>& taken,
                                                  const std::vector<Key>& given) {
    for (const Key& key : taken) {
      current(key);
      graph_.inputs.push_back(before_.at(key));
    }
    for (const Key& key : given) graph_.outputs.push_back(current(key));
    return std::make_shared<const ForeignGraph>(std::move(graph_));
  }

  const std::vector<Key>& used() const { return used_; }
  const std::set<Key>& assigned() const { return assigned_; }
  const std::map<size_t, Key>& handle_outputs() const { return handle_outputs_; }

 private:
  // Makes a variable of the type of the tensor `typed`, unless there is one.
  Status declare(const Key& key, const std::string& typed, const std::string& name) {
    if (memory_.variables.contains(key)) return ok_status();
    const auto original = from_.tensors.find(typed);
    const auto found = original != from_.tensors.end() ? original : graph_.tensors.find(typed);
    if (found == graph_.tensors.end()) return invalid_argument("a tensor is missing");
    const ForeignTensor& like = found->second;
    if (!like.unsupported.empty()) {
      return unimplemented("variable '" + name + "': " + like.unsupported);
    }
    if (!like.shape.is_static()) {
      return unimplemented("variable '" + name + "' of unknown size " + like.shape.to_string());
    }
    constexpr int64_t kMostBytes = int64_t{1} << 28;
    INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(like.dtype, like.shape));
    if (bytes > kMostBytes) {
      return resource_exhausted("variable '" + name + "' has " + std::to_string(bytes) + " bytes");
    }
    Variable variable{like, zeros(like, bytes)};
    variable.type.name = name;
    variable.type.shape_known = true;
    variable.type.is_variable = false;
    variable.type.has_data = false;
    variable.type.data = nullptr;
    memory_.variables.emplace(key, std::move(variable));
    return ok_status();
  }

  // A new tensor of this graph, for what the variable holds at some time.
  std::string add_tensor(const Key& key, const std::string& suffix) {
    ForeignTensor tensor = memory_.variables.at(key).type;
    tensor.name += suffix;
    while (graph_.tensors.contains(tensor.name)) tensor.name += "#";
    std::string name = tensor.name;
    graph_.tensors.emplace(name, std::move(tensor));
    return name;
  }

  // The tensor that is the variable now. It is declared.
  std::string current(const Key& key) {
    const auto it = current_.find(key);
    if (it != current_.end()) return it->second;
    std::string name = add_tensor(key, "");
    used_.push_back(key);
    before_.emplace(key, name);
    current_.emplace(key, name);
    return name;
  }

  std::string assign(const Key& key) {
    current(key);
    assigned_.insert(key);
    values_.erase(key);
    return current_[key] = add_tensor(key, "/after");
  }

  Result<Key> handle(const ForeignNode& node) const {
    const auto it = handles_.find(node.inputs.empty() ? "" : node.inputs[0]);
    if (it != handles_.end()) return it->second;
    return invalid_argument("its first input is no variable");
  }

  bool is_memory(const std::string& name) const {
    const auto it = from_.tensors.find(name);
    return it != from_.tensors.end() && is_variable_tensor(it->second) && !made_.contains(name);
  }
  Key key_of(const std::string& tensor) const { return "tensor " + from_.name + "/" + tensor; }

  // The tensor to use for `name`: a variable tensor is what it holds now.
  Result<std::string> resolve(const std::string& name) {
    if (!is_memory(name)) return name;
    const Key key = key_of(name);
    INFERD_RETURN_IF_ERROR(declare(key, name, name));
    return current(key);
  }

  Status add(ForeignNode node) {
    if (is_op(node, "VAR_HANDLE")) return add_handle(node);
    if (is_op(node, "READ_VARIABLE")) return read(std::move(node));
    if (is_op(node, "ASSIGN_VARIABLE")) return write(node);
    if (is_op(node, "CALL_ONCE")) return call_once(node);
    std::vector<int64_t> states;
    std::vector<Key> changed;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::string name = node.inputs[i];
      INFERD_ASSIGN_OR_RETURN(node.inputs[i], resolve(name));
      if (!is_memory(name) || !is_state(node, i)) continue;
      states.push_back(static_cast<int64_t>(i));
      changed.push_back(key_of(name));
    }
    for (const Key& key : changed) node.outputs.push_back(assign(key));
    if (!states.empty()) node.attrs[kStateInputs] = std::move(states);
    if (is_op(node, "IF")) return add_branches(std::move(node), {"then_branch", "else_branch"}, 1);
    if (is_op(node, "CALL")) return add_branches(std::move(node), {"callee"}, 0);
    if (is_op(node, "WHILE")) return add_loop(std::move(node));
    graph_.nodes.push_back(std::move(node));
    return ok_status();
  }

  Status add_handle(const ForeignNode& node) {
    const std::string name = Lowering::text_attr(node, "shared_name", "");
    if (node.outputs.empty()) return invalid_argument("has no output");
    const Key key = "variable " + Lowering::text_attr(node, "container", "") + "/" + name;
    handles_[node.outputs[0]] = key;
    memory_.names[key] = name.empty() ? node.outputs[0] : name;
    return ok_status();
  }

  Status read(ForeignNode node) {
    INFERD_ASSIGN_OR_RETURN(const Key key, handle(node));
    if (node.outputs.empty()) return ok_status();
    INFERD_RETURN_IF_ERROR(declare(key, node.outputs[0], memory_.names.at(key)));
    node.inputs = {current(key)};
    graph_.nodes.push_back(std::move(node));
    return ok_status();
  }

  Status write(const ForeignNode& node) {
    INFERD_ASSIGN_OR_RETURN(const Key key, handle(node));
    if (node.inputs.size() < 2) return invalid_argument("assigns nothing");
    INFERD_ASSIGN_OR_RETURN(const std::string value, resolve(node.inputs[1]));
    INFERD_RETURN_IF_ERROR(declare(key, value, memory_.names.at(key)));
    ForeignNode copy;
    copy.op = "READ_VARIABLE";
    copy.name = memory_.names.at(key);
    copy.inputs = {value};
    copy.outputs = {assign(key)};
    values_[key] = value;
    graph_.nodes.push_back(std::move(copy));
    return ok_status();
  }

  // What a graph that runs before all others assigns is how variables begin.
  Status call_once(const ForeignNode& node) {
    if (from_.is_closed) return unimplemented("inside of another graph");
    INFERD_ASSIGN_OR_RETURN(const auto body, body_attr(node, "init"));
    Threader once(memory_, *body);
    INFERD_RETURN_IF_ERROR(once.run({}));
    for (const Key& key : once.assigned_) {
      const auto value = once.values_.find(key);
      const auto tensor =
          once.graph_.tensors.find(value == once.values_.end() ? "" : value->second);
      if (tensor == once.graph_.tensors.end() || !tensor->second.has_data) {
        return unimplemented("variable '" + memory_.variables.at(key).type.name +
                             "' begins as something computed");
      }
      memory_.variables.at(key).initial = tensor->second.data;
    }
    return ok_status();
  }

  // Takes the inputs from `first` on that are handles away from the node.
  std::map<size_t, Key> take_handles(ForeignNode& node, size_t first) const {
    std::map<size_t, Key> handles;
    std::vector<std::string> others;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const auto it = handles_.find(node.inputs[i]);
      if (i >= first && it != handles_.end()) {
        handles[i - first] = it->second;
      } else {
        others.push_back(node.inputs[i]);
      }
    }
    node.inputs = std::move(others);
    return handles;
  }

  // And the outputs.
  void give_handles(ForeignNode& node, const std::map<size_t, Key>& handles) {
    std::vector<std::string> others;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const auto it = handles.find(i);
      if (it != handles.end()) {
        handles_[node.outputs[i]] = it->second;
      } else {
        others.push_back(node.outputs[i]);
      }
    }
    node.outputs = std::move(others);
  }

  // What any of them uses, in the order of first use.
  static std::vector<Key> used_by(std::span<const Threader> bodies) {
    std::vector<Key> all;
    for (const Threader& body : bodies) {
      for (const Key& key : body.used()) {
        if (std::find(all.begin(), all.end(), key) == all.end()) all.push_back(key);
      }
    }
    return all;
  }

  // Each of the graphs may run, or none but one.
  Status add_branches(ForeignNode node, const std::vector<const char*>& names, size_t first) {
    const auto handles = take_handles(node, first);
    std::vector<Threader> bodies;
    std::vector<std::shared_ptr<const ForeignGraph>> kept;  // the bodies borrow them
    for (const char* name : names) {
      INFERD_ASSIGN_OR_RETURN(kept.emplace_back(), body_attr(node, name));
      INFERD_RETURN_IF_ERROR(bodies.emplace_back(memory_, *kept.back()).run(handles));
    }
    std::vector<Key> given;
    const std::vector<Key> taken = used_by(bodies);
    for (const Key& key : taken) {
      const bool changes = std::any_of(bodies.begin(), bodies.end(), [&](const Threader& body) {
        return body.assigned().contains(key);
      });
      if (changes) given.push_back(key);
    }
    if (bodies.front().handle_outputs() != bodies.back().handle_outputs()) {
      return unimplemented("its graphs choose between variables");
    }
    give_handles(node, bodies.front().handle_outputs());
    for (size_t i = 0; i < bodies.size(); ++i) {
      node.attrs[names[i]] = bodies[i].finish_body(taken, given);
    }
    for (const Key& key : taken) node.inputs.push_back(current(key));
    for (const Key& key : given) node.outputs.push_back(assign(key));
    graph_.nodes.push_back(std::move(node));
    return ok_status();
  }

  // A loop carries what it uses from one time to the next.
  Status add_loop(ForeignNode node) {
    const auto handles = take_handles(node, 0);
    INFERD_ASSIGN_OR_RETURN(const auto condition, body_attr(node, "condition"));
    INFERD_ASSIGN_OR_RETURN(const auto body, body_attr(node, "body"));
    std::vector<Threader> graphs;
    INFERD_RETURN_IF_ERROR(graphs.emplace_back(memory_, *condition).run(handles));
    INFERD_RETURN_IF_ERROR(graphs.emplace_back(memory_, *body).run(handles));
    if (!graphs[0].assigned().empty()) return unimplemented("its condition assigns variables");
    if (graphs[1].handle_outputs() != handles) {
      return unimplemented("its body exchanges variables");
    }
    give_handles(node, handles);
    const std::vector<Key> taken = used_by(graphs);
    const std::set<Key> assigned = graphs[1].assigned();
    node.attrs["condition"] = graphs[0].finish_body(taken, {});
    node.attrs["body"] = graphs[1].finish_body(taken, taken);
    for (const Key& key : taken) {
      node.inputs.push_back(current(key));
      node.outputs.push_back(assigned.contains(key) ? assign(key) : add_tensor(key, "/same"));
    }
    graph_.nodes.push_back(std::move(node));
    return ok_status();
  }

  Memory& memory_;
  const ForeignGraph& from_;
  ForeignGraph graph_;
  std::set<std::string> made_;          // tensors of from_ that are inputs or computed
  std::map<std::string, Key> handles_;  // tensors that lead to variables
  std::map<size_t, Key> handle_outputs_;
  std::vector<Key> used_;
  std::set<Key> assigned_;
  std::map<Key, std::string> before_, current_;  // tensors
  std::map<Key, std::string> values_;            // tensors that were assigned last
};

}  // namespace

bool remembers(const ForeignGraph& graph) {
  const auto has_variable = [](const auto& named) { return is_variable_tensor(named.second); };
  if (std::any_of(graph.tensors.begin(), graph.tensors.end(), has_variable)) return true;
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const ForeignNode& node) {
    for (const char* op : {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}) {
      if (is_op(node, op)) return true;
    }
    return std::any_of(node.attrs.begin(), node.attrs.end(), [](const auto& attr) {
      const auto* body = std::get_if<std::shared_ptr<const ForeignGraph>>(&attr.second);
      return body != nullptr && remembers(**body);
    });
  });
}

Result<ForeignGraph> with_states(const ForeignGraph& graph) {
  Memory memory;
  Threader threader(memory, graph);
  INFERD_RETURN_IF_ERROR(threader.run({}));
  return threader.finish();
}

}  // namespace inferd::import
