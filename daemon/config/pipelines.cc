// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/pipelines.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "package/name.h"

namespace inferd::config {
namespace {

// What a value stands for: a text, or a list of them.
struct Value {
  std::vector<std::string> items;
  bool is_list = false;
  bool missing = false;  // it has no default, and nobody gave one
};
using Values = std::map<std::string, Value>;

Result<YAML::Node> read_yaml(const std::string& path, const ReadFile& read) {
  INFERD_ASSIGN_OR_RETURN(const std::string text, read(path));
  return parse_text(path, text);
}

// Reads one pipeline, with what it includes.
class Reader {
 public:
  Reader(const ReadFile& read, Errors& errors) : read_(read), errors_(errors) {}

  PipelineConfig read(const YAML::Node& root, const std::string& file, const Values& with,
                      const Mark& asked_by) {
    MapReader r(root, file, errors_);
    read_parameters(r, with, asked_by);
    substitute(root, file);
    PipelineConfig p;
    p.mark = r.mark();
    r.read("name", p.name);
    r.read("autostart", p.autostart);
    r.read("deadline_ms", p.deadline_ms, 0, 3.6e6);
    r.read("stall_s", p.stall_s, 0, 86'400);
    const YAML::Node nodes = r.child("nodes");
    const YAML::Node source = r.child("source");
    if (nodes.IsDefined() == source.IsDefined()) {
      errors_.add(p.mark, nodes.IsDefined()
                              ? "a pipeline has either a 'source' or 'nodes'"
                              : "a pipeline needs a 'source', or 'nodes' of which some have one");
    }
    if (source.IsDefined()) p.source = read_element(source, file, "source");
    read_list(r.child("stages"), file, "stage", p.stages, 0);
    read_list(r.child("sinks"), file, "sink", p.sinks, 0);
    if (nodes.IsDefined()) {
      if (!p.stages.empty() || !p.sinks.empty())
        errors_.add(p.mark, "with 'nodes', stages and sinks belong to one of them");
      read_nodes(nodes, file, p.nodes);
    }
    r.finish();
    return p;
  }

 private:
  static constexpr int kMaxDepth = 8;
  static constexpr int kMaxIncludes = 100;
  static constexpr size_t kMaxElements = 1000;
  static constexpr size_t kMaxText = 64 << 10;  // of one value

  static Mark mark_of(const YAML::Node& node, const std::string& file) {
    return {file, node.Mark().line + 1, node.Mark().column + 1};
  }
  void error(const YAML::Node& node, const std::string& file, const std::string& message) {
    errors_.add(mark_of(node, file), message);
  }

  void read_parameters(MapReader& r, const Values& with, const Mark& asked_by) {
    const YAML::Node list = r.child("parameters");
    if (list.IsDefined() && !list.IsMap())
      r.error(list, "'parameters' must be a mapping of names to what they are if nobody says");
    if (list.IsMap()) {
      for (const auto& entry : list) {
        const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
        if (!package::is_model_name(name))
          r.error(entry.first, "a parameter's name has letters, digits, '.', '_' and '-'");
        Value value;
        if (!read_value(entry.second, value)) {
          r.error(entry.second, "must be a text, a number or a list of them");
          value = {{""}, false, false};  // so that it stands for something where it is used
        }
        values_[name] = value;
      }
    }
    for (const auto& [name, value] : with) {
      const auto known = values_.find(name);
      if (known == values_.end()) {
        std::vector<std::string> names;
        for (const auto& [other, unused] : values_) names.push_back(other);
        errors_.add(asked_by, "the pipeline has no parameter '" + name + "'" +
                                  (names.empty() ? "" : suggestion(name, names)));
      } else {
        known->second = value;
      }
    }
    for (const auto& [name, value] : values_) {
      if (value.missing)
        errors_.add(asked_by, "the pipeline's parameter '" + name + "' needs a value, by 'with'");
    }
  }

  static bool read_value(const YAML::Node& node, Value& value) {
    value = {};
    value.is_list = node.IsSequence();
    value.missing = node.IsNull();
    if (node.IsScalar()) value.items.push_back(node.Scalar());
    if (!value.is_list) return node.IsScalar() || node.IsNull();
    for (const auto& item : node) {
      if (!item.IsScalar()) return false;
      value.items.push_back(item.Scalar());
    }
    return true;
  }

  // Puts values in the place of ${name}, everywhere below `node` but in keys.
  void substitute(YAML::Node node, const std::string& file) {
    if (node.IsMap()) {
      for (auto entry : node) {
        if (!entry.first.IsScalar() || entry.first.Scalar() != "parameters")
          substitute(entry.second, file);
      }
    } else if (node.IsSequence()) {
      for (auto item : node) substitute(item, file);
    } else if (node.IsScalar() && node.Scalar().find('$') != std::string::npos) {
      substitute_text(node, file);
    }
  }

  void substitute_text(YAML::Node node, const std::string& file) {
    const std::string text = node.Scalar();
    if (const Value* list = whole_list(text)) {
      node = list->items;
      return;
    }
    std::string out;
    for (size_t at = 0; at < text.size() && out.size() <= kMaxText;) {
      if (text.compare(at, 3, "$${") == 0) {  // stands for itself
        out += "${";
        at += 3;
      } else if (text.compare(at, 2, "${") == 0) {
        const size_t end = text.find('}', at);
        const std::string name = text.substr(at + 2, end == std::string::npos ? end : end - at - 2);
        out += value_of(name, node, file);
        if (end == std::string::npos) break;
        at = end + 1;
      } else {
        out += text[at++];
      }
    }
    if (out.size() > kMaxText) error(node, file, "becomes longer than 64 KiB");
    node = out.substr(0, kMaxText);
  }

  // "${name}" alone may stand for a list.
  const Value* whole_list(const std::string& text) const {
    if (!text.starts_with("${") || !text.ends_with("}")) return nullptr;
    const auto found = values_.find(text.substr(2, text.size() - 3));
    return found != values_.end() && found->second.is_list ? &found->second : nullptr;
  }

  std::string value_of(const std::string& name, const YAML::Node& node, const std::string& file) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      error(node, file, "'${" + name + "}' is no parameter of the pipeline; '$${' stands for '${'");
      return "";
    }
    if (found->second.is_list) {
      error(node, file, "'${" + name + "}' is a list, and cannot be a part of a text");
      return "";
    }
    return found->second.missing ? "" : found->second.items[0];
  }

  // A type alone, or a mapping with the type as its only key.
  NodeConfig read_element(const YAML::Node& node, const std::string& file,
                          const std::string& what) {
    NodeConfig config;
    config.mark = mark_of(node, file);
    if (node.IsScalar()) {
      config.type = node.Scalar();
      return config;
    }
    if (!node.IsMap() || node.size() != 1 || !node.begin()->first.IsScalar()) {
      error(node, file, "a " + what + " is written as its type, or as 'type: {keys}'");
      return config;
    }
    config.type = node.begin()->first.Scalar();
    const YAML::Node body = node.begin()->second;
    if (body.IsNull()) return config;
    if (!body.IsMap()) {
      error(body, file, "'" + config.type + "' must be followed by keys in braces or indented");
      return config;
    }
    for (const auto& entry : body) read_entry(entry.first, entry.second, file, config);
    return config;
  }

  void read_entry(const YAML::Node& key, const YAML::Node& node, const std::string& file,
                  NodeConfig& config) {
    Value value;
    if (!key.IsScalar() || !read_value(node, value) || value.missing)
      return error(node, file, "must be a text, a number or a list of them");
    // Paths are relative to the file that says them.
    const bool is_path =
        key.Scalar() == "path" || key.Scalar() == "library" || key.Scalar() == "calibration";
    if (is_path && !value.is_list && value.items[0] != "-")
      value.items[0] = resolve(file, value.items[0]);
    NodeConfig::Entry entry{std::move(value.items), value.is_list, mark_of(node, file)};
    if (!config.entries.emplace(key.Scalar(), std::move(entry)).second)
      error(key, file, "key '" + key.Scalar() + "' stands twice");
  }

  // Stages or sinks; `include: FILE` stands for those that are listed in a file.
  void read_list(const YAML::Node& list, const std::string& file, const std::string& what,
                 std::vector<NodeConfig>& out, int depth) {
    if (!list.IsDefined()) return;
    if (!list.IsSequence()) return error(list, file, "must be a list of " + what + "s");
    for (const auto& item : list) {
      if (out.size() >= kMaxElements) return error(item, file, "more than 1000 " + what + "s");
      const bool includes = item.IsMap() && item.size() == 1 && item.begin()->first.IsScalar() &&
                            item.begin()->first.Scalar() == "include";
      if (!includes) {
        out.push_back(read_element(item, file, what));
        continue;
      }
      std::string path;
      if (const YAML::Node more = include(item.begin()->second, file, depth, path);
          more.IsDefined()) {
        read_list(more, path, what, out, depth + 1);
      }
    }
  }

  // Undefined after an error.
  YAML::Node include(const YAML::Node& name, const std::string& file, int depth,
                     std::string& path) {
    const YAML::Node nothing(YAML::NodeType::Undefined);
    if (!name.IsScalar()) {
      error(name, file, "'include' must name a file");
    } else if (depth >= kMaxDepth || ++includes_ > kMaxIncludes) {
      error(name, file, "files include each other more than 8 deep, or more than 100 of them");
    } else {
      path = resolve(file, name.Scalar());
      const auto node = read_yaml(path, read_);
      if (node.ok()) {
        substitute(*node, path);
        return *node;
      }
      error(name, file, node.status().message());
    }
    return nothing;
  }

  void read_nodes(const YAML::Node& nodes, const std::string& file,
                  std::vector<PipelineNode>& out) {
    if (!nodes.IsMap()) return error(nodes, file, "'nodes' must be a mapping of names to nodes");
    for (const auto& entry : nodes) {
      if (out.size() >= kMaxElements) return error(entry.first, file, "more than 1000 nodes");
      const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!package::is_model_name(name))
        error(entry.first, file, "a node's name has letters, digits, '.', '_' and '-'");
      out.push_back(read_node(name, entry.second, mark_of(entry.first, file), file));
    }
  }

  PipelineNode read_node(const std::string& name, const YAML::Node& body, const Mark& mark,
                         const std::string& file) {
    PipelineNode node;
    node.name = name;
    node.mark = mark;
    MapReader r(body, file, errors_);
    if (const YAML::Node source = r.child("source"); source.IsDefined())
      node.source = read_element(source, file, "source");
    if (const YAML::Node from = r.child("from"); from.IsScalar()) {
      node.from.push_back(from.Scalar());
    } else {
      r.read("from", node.from);
    }
    read_list(r.child("stages"), file, "stage", node.stages, 0);
    read_list(r.child("sinks"), file, "sink", node.sinks, 0);
    r.read("every", node.every, 1, 1'000'000);
    r.read("max_fps", node.max_fps, 0, 10'000);
    r.read("queue", node.queue, 1, 1000);
    read_each(r, node);
    read_join(r, node);
    r.finish();
    return node;
  }

  static void read_each(MapReader& r, PipelineNode& node) {
    const YAML::Node each = r.child("each");
    if (!each.IsDefined()) return;
    node.each.emplace();
    if (each.IsScalar()) {
      if (each.Scalar() != "box") r.error(each, "'each' must be box, or have keys of its own");
      return;
    }
    MapReader e(each, r.file(), r.errors());
    if (e.child("tile").IsDefined()) {
      read_tile(e, node.each->tile.emplace());
      return e.finish();  // the others are of boxes
    }
    e.read("classes", node.each->classes);
    e.read("min_score", node.each->min_score, 0, 1);
    e.read("margin", node.each->margin, 0, 10);
    e.read("max", node.each->max, 1, 64);
    e.finish();
  }

  static void read_tile(MapReader& e, TileConfig& tile) {
    const YAML::Node body = e.child("tile");
    MapReader t(body, e.file(), e.errors());
    t.read("width", tile.width, 32, 16'384);
    t.read("height", tile.height, 32, 16'384);
    if (!t.child("width").IsDefined() && !t.child("height").IsDefined())
      e.error(body, "'tile' needs a 'width', in pixels of the frame");
    if (tile.width == 0) tile.width = tile.height;
    if (tile.height == 0) tile.height = tile.width;
    t.read("overlap", tile.overlap, 0, 0.9);
    t.read("whole", tile.whole);
    t.read("iou", tile.iou, 0, 1);
    t.finish();
  }

  static void read_join(MapReader& r, PipelineNode& node) {
    const YAML::Node join = r.child("join");
    if (!join.IsDefined()) return;
    node.join.emplace();
    MapReader j(join, r.file(), r.errors());
    if (!j.child("tolerance_ms").IsDefined())
      r.error(join, "'join' needs 'tolerance_ms', between the times of capture");
    j.read("tolerance_ms", node.join->tolerance_ms, 0, 3.6e6);
    node.join->wait_ms = std::max(200.0, 2 * node.join->tolerance_ms);
    j.read("wait_ms", node.join->wait_ms, 0, 3.6e6);
    j.finish();
  }

  const ReadFile& read_;
  Errors& errors_;
  Values values_;
  int includes_ = 0;
};

Values as_values(const std::map<std::string, std::string>& with) {
  Values values;
  for (const auto& [name, text] : with) values[name] = {{text}, false, false};
  return values;
}

void check_name(const PipelineConfig& pipeline, const Mark& mark, Errors& errors) {
  if (!package::is_model_name(pipeline.name))
    errors.add(mark, "a pipeline needs a name of letters, digits, '.', '_' and '-'");
}

// The pipeline of the file `path`, which `p` asked for. None: the file cannot be read, which is
// noted there.
std::optional<PipelineConfig> read_whole(MapReader& p, const std::string& path, const Values& with,
                                         const ReadFile& read) {
  const auto root = read_yaml(path, read);
  if (!root.ok()) {
    p.error(p.node(), root.status().message());
    return std::nullopt;
  }
  PipelineConfig pipeline = Reader(read, p.errors()).read(*root, path, with, p.mark());
  pipeline.file = path;
  for (const auto& [name, value] : with) {
    if (!value.is_list) pipeline.with.emplace(name, value.items[0]);
  }
  return pipeline;
}

// `{file: F, name: N, with: {...}}`
PipelineConfig read_use(MapReader& p, const std::string& file, const ReadFile& read) {
  std::string name;
  std::optional<bool> autostart;
  Values with;
  p.read("name", name);
  p.read("autostart", autostart);
  if (const YAML::Node values = p.child("with"); values.IsDefined()) {
    if (!values.IsMap()) p.error(values, "'with' must be a mapping of parameters to values");
    for (const auto& entry : values) {
      if (!values.IsMap()) break;
      Value& value = with[entry.first.IsScalar() ? entry.first.Scalar() : ""];
      if (entry.second.IsSequence()) {
        value.is_list = true;
        for (const auto& item : entry.second)
          value.items.push_back(item.IsScalar() ? item.Scalar() : "");
      } else if (entry.second.IsScalar()) {
        value.items.push_back(entry.second.Scalar());
      } else {
        p.error(entry.second, "must be a text, a number or a list of them");
        value.items.emplace_back();
      }
    }
  }
  p.finish();
  std::optional<PipelineConfig> pipeline = read_whole(p, resolve(p.file(), file), with, read);
  if (!pipeline) {
    PipelineConfig unread;
    unread.name = name;
    return unread;
  }
  if (!name.empty()) pipeline->name = name;
  if (autostart) pipeline->autostart = *autostart;
  check_name(*pipeline, name.empty() ? pipeline->mark : p.mark(), p.errors());
  return *std::move(pipeline);
}

// `{folder: F}`: the files F/*.yaml in the order of their names, one pipeline each.
void read_folder(MapReader& p, const std::string& folder, const ReadFile& read,
                 std::vector<PipelineConfig>& pipelines) {
  p.finish();
  const std::string path = resolve(p.file(), folder);
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& file = entry->path();
    if (file.extension() == ".yaml" && file.stem().string().front() != '.') {
      files.push_back(file.string());
    }
  }
  if (error) p.error(p.node(), "cannot read the folder " + path + ": " + error.message());
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    std::optional<PipelineConfig> pipeline = read_whole(p, file, {}, read);
    if (!pipeline) continue;
    check_name(*pipeline, pipeline->mark, p.errors());
    pipelines.push_back(*std::move(pipeline));
  }
}

}  // namespace

void read_pipelines(MapReader& r, const ReadFile& read, std::vector<PipelineConfig>& pipelines) {
  const YAML::Node list = r.child("pipelines");
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) return r.error(list, "'pipelines' must be a list");
  std::vector<Mark> marks;  // where each was asked for
  for (const auto& item : list) {
    MapReader p(item, r.file(), r.errors());
    std::string file, folder;
    p.read("file", file);
    p.read("folder", folder);
    if (!folder.empty()) {
      read_folder(p, folder, read, pipelines);
    } else if (!file.empty()) {
      pipelines.push_back(read_use(p, file, read));
    } else {
      pipelines.push_back(Reader(read, r.errors()).read(item, r.file(), {}, p.mark()));
      check_name(pipelines.back(), p.mark(), r.errors());
    }
    marks.resize(pipelines.size(), p.mark());
  }
  for (size_t i = 0; i < pipelines.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!pipelines[i].name.empty() && pipelines[i].name == pipelines[j].name) {
        r.errors().add(marks[i], "pipeline '" + pipelines[i].name + "' is defined twice");
        break;
      }
    }
  }
}

PipelineConfig read_pipeline_file(const std::string& path, const ReadFile& read,
                                  const std::map<std::string, std::string>& with, Errors& errors) {
  const auto root = read_yaml(path, read);
  if (!root.ok()) {
    errors.add_text(root.status().message());
    return {};
  }
  PipelineConfig pipeline = Reader(read, errors).read(*root, path, as_values(with), {path, 1, 1});
  check_name(pipeline, pipeline.mark, errors);
  return pipeline;
}

}  // namespace inferd::config
