// SPDX-License-Identifier: Apache-2.0
//
// The configuration file, section by section.
#include <algorithm>

#include "daemon/config/adapters.h"
#include "daemon/config/config.h"
#include "daemon/config/governor_options.h"
#include "daemon/config/listeners.h"
#include "daemon/config/model_options.h"
#include "daemon/config/pipeline_file.h"
#include "daemon/config/pipelines.h"
#include "daemon/config/rollout_options.h"
#include "daemon/config/yaml.h"
#include "package/name.h"

namespace inferd::config {
namespace {

constexpr int64_t kMax32 = INT32_MAX;

void read_server(MapReader& parent, ServerConfig& server) {
  MapReader r(parent.child("server"), parent.file(), parent.errors());
  r.read("max_message_bytes", server.max_message_bytes, 1 << 10, kMax32);
  r.read("accept_compression", server.accept_compression);
  r.read("system_shared_memory", server.system_shared_memory);
  r.read("write_pipelines", server.write_pipelines);
  r.read("max_shared_memory_bytes", server.max_shared_memory_bytes, 1 << 10, INT64_MAX / 4);
  r.read("drain_timeout_ms", server.drain_timeout_ms, 0, 3'600'000);
  r.read("stall_s", server.stall_s, 0, 24 * 3600);
  read_listeners(r, server);
  read_adapters(r, server);
  r.finish();
}

void read_deployments(MapReader& parent, DeploymentsConfig& deployments) {
  MapReader r(parent.child("deployments"), parent.file(), parent.errors());
  std::vector<std::string> keys;
  r.read("trusted_keys", keys);
  for (const std::string& key : keys)
    deployments.trusted_keys.push_back(
        {resolve_secret(r, r.child("trusted_keys"), key), r.mark_of(r.child("trusted_keys"))});
  r.read("max_package_age_s", deployments.max_package_age_s, 0, INT64_MAX / 4);
  r.read("max_package_bytes", deployments.max_package_bytes, 1 << 10, INT64_MAX / 4);
  r.read("quota_bytes", deployments.quota_bytes, 0, INT64_MAX / 4);
  r.read("min_free_bytes", deployments.min_free_bytes, 0, INT64_MAX / 4);
  r.read("keep_versions", deployments.keep_versions, 1, 1000);
  r.read("upload_idle_s", deployments.upload_idle_s, 1, 30 * 24 * 3600);
  r.read("max_crashes", deployments.max_crashes, 1, 1000);
  r.read("drain_timeout_ms", deployments.drain_timeout_ms, 0, 3'600'000);
  read_rollout(r, deployments.rollout);
  r.finish();
}

void read_memory(MapReader& parent, MemoryConfig& memory) {
  MapReader r(parent.child("memory"), parent.file(), parent.errors());
  r.read("budget_bytes", memory.budget_bytes, 0, INT64_MAX / 4);
  r.read("reserve_bytes", memory.reserve_bytes, 0, INT64_MAX / 4);
  r.read("max_pressure", memory.max_pressure, 0, 100);
  std::optional<Residence> residence;
  read_residence(r, residence);
  memory.residence = residence.value_or(memory.residence);
  r.read("keep_alive_s", memory.keep_alive_s, 0, kMaxKeepAliveS);
  r.finish();
}

void read_models(MapReader& parent, ModelsConfig& models) {
  MapReader r(parent.child("models"), parent.file(), parent.errors());
  r.read("root", models.root);
  models.root = resolve(r.file(), models.root);
  r.read("response_cache_bytes", models.response_cache_bytes, 0, INT64_MAX / 4);
  read_deployments(r, models.deployments);
  read_memory(r, models.memory);
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
    if (!package::is_model_name(model.name))
      r.error(item, "'" + model.name + "' is not a model name");
    const bool twice =
        std::any_of(models.serve.begin(), models.serve.end(),
                    [&](const ModelConfig& other) { return other.name == model.name; });
    if (twice) r.error(item, "model '" + model.name + "' is listed twice");
    models.serve.push_back(std::move(model));
  }
  r.finish();
}

void read_trace(MapReader& parent, TraceConfig& trace) {
  MapReader r(parent.child("trace"), parent.file(), parent.errors());
  r.read("folder", trace.folder);
  trace.folder = resolve(r.file(), trace.folder);
  r.read("file", trace.file);
  r.read("timestamps", trace.timestamps);
  r.read("rate", trace.rate, 1, INT64_MAX);
  r.read("count", trace.count, -1, INT64_MAX);
  r.read("log_frequency", trace.log_frequency, 0, INT64_MAX);
  if (!trace.file.empty() && !package::is_model_name(trace.file)) {
    r.error(r.child("file"),
            "'file' must be a name in 'folder': letters, digits, '.', '_' and '-'");
  }
  if (trace.timestamps && (trace.folder.empty() || trace.file.empty())) {
    r.error(r.child("timestamps"), "'timestamps' needs 'folder' and 'file'");
  }
  r.finish();
}

}  // namespace

Result<Config> load(const std::string& path, const std::map<std::string, std::string>& instead) {
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
  read_trace(r, config.trace);
  const ReadFile read = [&](const std::string& file) -> Result<std::string> {
    const auto said = instead.find(file);
    return said == instead.end() ? read_file(file) : said->second;
  };
  read_pipelines(r, read, config.pipelines);
  check_adapters(config, errors);
  read_governor(r, config.governor);
  r.finish();
  INFERD_RETURN_IF_ERROR(errors.status());
  return config;
}

Result<PipelineConfig> load_pipeline(const std::string& path,
                                     const std::map<std::string, std::string>& parameters,
                                     const ReadFile& read) {
  Errors errors;
  PipelineConfig pipeline = read_pipeline_file(path, read, parameters, errors);
  INFERD_RETURN_IF_ERROR(errors.status());
  return pipeline;
}

}  // namespace inferd::config
