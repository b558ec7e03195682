// SPDX-License-Identifier: Apache-2.0
//
// The configuration file, section by section.
#include <arpa/inet.h>

#include <algorithm>
#include <filesystem>

#include "daemon/config/config.h"
#include "daemon/config/model_options.h"
#include "daemon/config/yaml.h"

namespace inferd::config {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMax32 = INT32_MAX;

// A path in a file is relative to that file.
std::string resolve(const std::string& file, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  return (fs::path(file).parent_path() / path).lexically_normal().string();
}

// Of "HOST:PORT", with gRPC's prefixes for numeric addresses. Only numbers and "localhost" are
// known to stay on this machine: any other name is whatever a name server says.
bool is_loopback(std::string_view address) {
  for (const std::string_view prefix : {"ipv4:", "ipv6:"}) {
    if (address.starts_with(prefix)) address.remove_prefix(prefix.size());
  }
  std::string host(address.substr(0, address.rfind(':')));
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void check_listener(MapReader& r, const YAML::Node& node, const Listener& listener) {
  if (listener.address.empty()) return r.error(node, "a listener needs an address");
  if (listener.address.starts_with("unix:")) {
    // sockaddr_un has 108 bytes.
    if (listener.address.size() - 5 > 107)
      r.error(node, "the socket path is longer than 107 characters");
    return;
  }
  if (listener.address.find(':') == std::string::npos) {
    return r.error(node, "'" + listener.address + "' is neither unix:PATH nor HOST:PORT");
  }
  if (!is_loopback(listener.address) && !listener.insecure) {
    r.error(node, "'" + listener.address +
                      "' can be reached from other machines without encryption; write insecure: "
                      "true beside it "
                      "if that is meant");
  }
}

// Permissions of a Unix socket.
void read_mode(MapReader& r, int& mode) {
  std::string text = "0660";
  r.read("mode", text);
  const bool octal =
      !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) return r.error(r.child("mode"), "'mode' must be octal permissions such as \"0660\"");
  mode = static_cast<int>(std::stol(text, nullptr, 8));
}

// What only listeners of one protocol have.
void read_more(MapReader&, GrpcListener&) {}
void read_more(MapReader& r, HttpListener& listener) {
  r.read("max_connections", listener.max_connections, 2, 100'000);
  r.read("timeout_s", listener.timeout_s, 1, 3600);
}

// An address alone, or a mapping.
template <typename OfProtocol>
OfProtocol read_listener(MapReader& r, const YAML::Node& item) {
  OfProtocol listener;
  listener.mark = r.mark_of(item);
  if (item.IsScalar()) {
    listener.address = item.Scalar();
  } else {
    MapReader l(item, r.file(), r.errors());
    l.read("address", listener.address);
    read_mode(l, listener.socket_mode);
    l.read("insecure", listener.insecure);
    read_more(l, listener);
    l.finish();
  }
  if (listener.address.starts_with("unix:"))
    listener.address = "unix:" + resolve(r.file(), listener.address.substr(5));
  check_listener(r, item, listener);
  return listener;
}

// A path alone, or a mapping.
LocalListener read_local(MapReader& r, const YAML::Node& item) {
  LocalListener listener;
  listener.mark = r.mark_of(item);
  if (item.IsScalar()) {
    listener.path = item.Scalar();
  } else {
    MapReader l(item, r.file(), r.errors());
    l.read("path", listener.path);
    read_mode(l, listener.socket_mode);
    l.read("max_connections", listener.max_connections, 1, 10'000);
    l.read("max_user_connections", listener.max_user_connections, 1, 10'000);
    l.read("max_in_flight", listener.max_in_flight, 1, 1024);
    l.read("max_buffers", listener.max_buffers, 1, 4096);
    l.read("max_buffer_bytes", listener.max_buffer_bytes, 1 << 12, int64_t{1} << 40);
    l.read("max_user_bytes", listener.max_user_bytes, 1 << 12, int64_t{1} << 40);
    l.finish();
  }
  if (listener.path.empty()) r.error(item, "a local socket needs a path");
  listener.path = resolve(r.file(), listener.path);
  // sockaddr_un has 108 bytes.
  if (listener.path.size() > 107) r.error(item, "the socket path is longer than 107 characters");
  return listener;
}

// False: the key is not there.
template <typename OfProtocol>
bool read_listeners(MapReader& r, const std::string& key, std::vector<OfProtocol>& listeners) {
  const YAML::Node list = r.child(key);
  if (!list.IsDefined()) return false;
  if (!list.IsSequence()) {
    r.error(list, "'" + key + "' must be a list of listeners");
    return true;
  }
  for (const auto& item : list) listeners.push_back(read_listener<OfProtocol>(r, item));
  if (listeners.empty()) r.error(list, "'" + key + "' lists no address to listen on");
  return true;
}

void read_server(MapReader& parent, ServerConfig& server) {
  MapReader r(parent.child("server"), parent.file(), parent.errors());
  r.read("max_message_bytes", server.max_message_bytes, 1 << 10, kMax32);
  r.read("drain_timeout_ms", server.drain_timeout_ms, 0, 3'600'000);
  if (!read_listeners(r, "grpc", server.grpc))
    server.grpc.push_back({.address = "unix:/run/inferd/inferd.sock", .mark = {}});
  read_listeners(r, "http", server.http);
  const YAML::Node local = r.child("local");
  if (local.IsDefined() && !local.IsSequence()) r.error(local, "'local' must be a list of sockets");
  for (const auto& item : local.IsSequence() ? local : YAML::Node(YAML::NodeType::Sequence))
    server.local.push_back(read_local(r, item));
  r.finish();
}

void read_models(MapReader& parent, ModelsConfig& models) {
  MapReader r(parent.child("models"), parent.file(), parent.errors());
  r.read("root", models.root);
  models.root = resolve(r.file(), models.root);
  r.read("max_file_bytes", models.max_file_bytes, 1 << 10, INT64_MAX);
  r.read("max_arena_bytes", models.max_arena_bytes, 1 << 16, INT64_MAX);
  r.read("max_tensor_bytes", models.max_tensor_bytes, 1 << 10, INT64_MAX);
  r.read("max_nodes", models.max_nodes, 1, 10'000'000);
  r.read("max_nesting", models.max_nesting, 8, 1000);
  const YAML::Node list = r.child("serve");
  if (list.IsDefined() && !list.IsSequence()) r.error(list, "'serve' must be a list of models");
  if (list.IsSequence()) models.load_all = false;
  for (const auto& item : list.IsSequence() ? list : YAML::Node(YAML::NodeType::Sequence)) {
    ModelConfig model;
    model.mark = r.mark_of(item);
    if (item.IsScalar()) {
      model.name = item.Scalar();
    } else {
      MapReader m(item, r.file(), r.errors());
      m.read("name", model.name);
      read_model_options(m, model);
      m.finish();
    }
    if (!is_model_name(model.name)) r.error(item, "'" + model.name + "' is not a model name");
    const bool twice =
        std::any_of(models.serve.begin(), models.serve.end(),
                    [&](const ModelConfig& other) { return other.name == model.name; });
    if (twice) r.error(item, "model '" + model.name + "' is listed twice");
    models.serve.push_back(std::move(model));
  }
  r.finish();
}

// A node is a type alone, or a mapping with the type as its only key.
NodeConfig read_node(MapReader& r, const YAML::Node& node, const std::string& what) {
  NodeConfig config;
  config.mark = r.mark_of(node);
  if (node.IsScalar()) {
    config.type = node.Scalar();
    return config;
  }
  if (!node.IsMap() || node.size() != 1 || !node.begin()->first.IsScalar()) {
    r.error(node, "a " + what + " is written as its type, or as 'type: {keys}'");
    return config;
  }
  config.type = node.begin()->first.Scalar();
  const YAML::Node body = node.begin()->second;
  if (body.IsNull()) return config;
  if (!body.IsMap()) {
    r.error(body, "'" + config.type + "' must be followed by keys in braces or indented");
    return config;
  }
  for (const auto& entry : body) {
    NodeConfig::Entry value;
    value.mark = r.mark_of(entry.second);
    value.is_list = entry.second.IsSequence();
    bool simple = entry.first.IsScalar() && (entry.second.IsScalar() || value.is_list);
    if (entry.second.IsScalar()) value.items.push_back(entry.second.Scalar());
    if (value.is_list) {
      for (const auto& item : entry.second) {
        simple = simple && item.IsScalar();
        value.items.push_back(item.IsScalar() ? item.Scalar() : "");
      }
    }
    if (!simple) {
      r.error(entry.second, "must be a text, a number or a list of them");
    } else if (!config.entries.emplace(entry.first.Scalar(), std::move(value)).second) {
      r.error(entry.first, "key '" + entry.first.Scalar() + "' stands twice");
    }
  }
  return config;
}

// Paths of sources and sinks, too, are relative to the file.
void resolve_paths(const std::string& file, NodeConfig& node) {
  const auto path = node.entries.find("path");
  if (path != node.entries.end() && !path->second.is_list && path->second.items[0] != "-") {
    path->second.items[0] = resolve(file, path->second.items[0]);
  }
}

void read_nodes(MapReader& r, const std::string& key, const std::string& what,
                std::vector<NodeConfig>& out) {
  const YAML::Node list = r.child(key);
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) return r.error(list, "'" + key + "' must be a list");
  for (const auto& item : list) {
    out.push_back(read_node(r, item, what));
    resolve_paths(r.file(), out.back());
  }
}

PipelineConfig read_pipeline(MapReader& r) {
  PipelineConfig pipeline;
  pipeline.mark = r.mark();
  r.read("name", pipeline.name);
  r.read("autostart", pipeline.autostart);
  const YAML::Node source = r.child("source");
  if (!source.IsDefined()) {
    r.errors().add(pipeline.mark, "a pipeline needs a source");
  } else {
    pipeline.source = read_node(r, source, "source");
    resolve_paths(r.file(), pipeline.source);
  }
  read_nodes(r, "stages", "stage", pipeline.stages);
  read_nodes(r, "sinks", "sink", pipeline.sinks);
  r.finish();
  if (!is_model_name(pipeline.name)) {
    r.errors().add(pipeline.mark, "a pipeline needs a name of letters, digits, '.', '_' and '-'");
  }
  return pipeline;
}

void read_pipelines(MapReader& r, std::vector<PipelineConfig>& pipelines) {
  const YAML::Node list = r.child("pipelines");
  if (!list.IsDefined()) return;
  if (!list.IsSequence()) return r.error(list, "'pipelines' must be a list");
  for (const auto& item : list) {
    MapReader p(item, r.file(), r.errors());
    std::string file;
    p.read("file", file);
    if (file.empty()) {
      pipelines.push_back(read_pipeline(p));
      continue;
    }
    p.finish();
    const std::string path = resolve(r.file(), file);
    const Result<YAML::Node> node = parse_file(path);
    if (!node.ok()) {
      r.error(item, node.status().message());
      continue;
    }
    MapReader included(*node, path, r.errors());
    pipelines.push_back(read_pipeline(included));
  }
  for (size_t i = 0; i < pipelines.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (pipelines[i].name == pipelines[j].name) {
        r.errors().add(pipelines[i].mark, "pipeline '" + pipelines[i].name + "' is defined twice");
      }
    }
  }
}

}  // namespace

bool is_model_name(const std::string& name) {
  return !name.empty() && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

Result<Config> load(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const YAML::Node root, parse_file(path));
  Errors errors;
  Config config;
  MapReader r(root, path, errors);
  read_server(r, config.server);
  {
    MapReader e(r.child("engine"), path, errors);
    e.read("threads", config.engine.threads, 0, 256);
    e.read("use_core_classes", config.engine.use_core_classes);
    e.read("prefer_kernels", config.engine.prefer_kernels);
    e.read("stripe_bytes", config.engine.stripe_bytes, -1, 1 << 30);
    e.read("allow_float16", config.engine.allow_float16);
    e.finish();
  }
  read_models(r, config.models);
  {
    MapReader l(r.child("log"), path, errors);
    l.read("level", config.log.level, {"debug", "info", "warning", "error"});
    l.read("format", config.log.format, {"text", "json"});
    l.finish();
  }
  read_pipelines(r, config.pipelines);
  r.finish();
  INFERD_RETURN_IF_ERROR(errors.status());
  return config;
}

}  // namespace inferd::config
