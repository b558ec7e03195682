// SPDX-License-Identifier: Apache-2.0
//
// The Open Inference Protocol over HTTP, but for inference itself, and Triton's extensions
// "statistics" and "model repository" as far as they only look.
#include "daemon/serve/call.h"
#include "daemon/serve/describe.h"
#include "daemon/serve/http/checked_json.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

using Json = nlohmann::ordered_json;  // members in the order of the protocol's documents
using models::ModelVersion;

Response answer(const Json& json) { return json_response(json.dump()); }

// Health has a code and nothing else.
Response health(bool well) {
  Response response;
  response.code = well ? 200 : 400;
  return response;
}

Result<std::shared_ptr<const ModelVersion>> find(const Backend& backend, const Request& request) {
  return find_model(backend.repository, request.capture("model"), request.capture("version"));
}

Response server_metadata(const Backend& backend) {
  return answer(
      {{"name", kServerName},
       {"version", backend.version},
       {"extensions", Json::array({"binary_tensor_data", "classification", "statistics"})}});
}

Json describe(std::span<const TensorInfo> infos) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    list.push_back({{"name", info.name},
                    {"datatype", dtype_name(info.dtype)},
                    {"shape", std::vector<int64_t>(info.shape.begin(), info.shape.end())}});
  }
  return list;
}

Response model_metadata(const Backend& backend, const Request& request) {
  const auto found = find(backend, request);
  if (!found.ok()) return error_response(found.status());
  const ModelVersion& version = **found;
  return answer({{"name", version.name},
                 {"versions", Json::array({std::to_string(version.version)})},
                 {"platform", platform_name(*version.model)},
                 {"inputs", describe(version.model->inputs())},
                 {"outputs", describe(version.model->outputs())}});
}

Json describe(const schedule::DurationStat& stat) {
  return {{"count", stat.count}, {"ns", stat.ns}};
}

Json statistics_of(const ModelVersion& model) {
  const schedule::QueueStatistics s = model.queue->statistics();
  Json batches = Json::array();
  for (const auto& batch : s.batches) {
    batches.push_back({{"batch_size", batch.size},
                       {"compute_input", describe(batch.compute_input)},
                       {"compute_infer", describe(batch.compute_infer)},
                       {"compute_output", describe(batch.compute_output)}});
  }
  return {{"name", model.name},
          {"version", std::to_string(model.version)},
          {"last_inference", s.last_inference_ms},
          {"inference_count", s.inference_count},
          {"execution_count", s.execution_count},
          {"inference_stats",
           {{"success", describe(s.success)},
            {"fail", describe(s.fail)},
            {"queue", describe(s.queue)},
            {"compute_input", describe(s.compute_input)},
            {"compute_infer", describe(s.compute_infer)},
            {"compute_output", describe(s.compute_output)},
            {"cache_hit", describe(s.cache_hit)},
            {"cache_miss", describe(s.cache_miss)}}},
          {"batch_stats", batches}};
}

Response model_statistics(const Backend& backend, const Request& request) {
  const auto found = find(backend, request);
  if (!found.ok()) return error_response(found.status());
  return answer({{"model_stats", Json::array({statistics_of(**found)})}});
}

Response all_statistics(const Backend& backend) {
  Json list = Json::array();
  for (const models::ModelStatus& status : backend.repository.list()) {
    const auto model = backend.repository.find(status.name, status.version);
    if (model.ok()) list.push_back(statistics_of(**model));
  }
  return answer({{"model_stats", list}});
}

// The body is empty or {"ready": bool}.
Result<bool> only_ready(const Request& request) {
  if (request.body.empty()) return false;
  constexpr JsonLimits kLimits{.depth = 4, .bytes = 4096};
  INFERD_ASSIGN_OR_RETURN(const nlohmann::json body, parse_json(request.body, kLimits));
  if (!body.is_object()) return invalid_argument("the body must be a JSON object");
  const auto ready = body.find("ready");
  if (ready == body.end()) return false;
  if (!ready->is_boolean()) return invalid_argument("'ready' must be true or false");
  return ready->get<bool>();
}

Response repository_index(const Backend& backend, const Request& request) {
  const auto ready = only_ready(request);
  if (!ready.ok()) return error_response(ready.status());
  Json list = Json::array();
  for (const models::ModelStatus& status : backend.repository.list()) {
    if (*ready && status.state != models::ModelState::kReady) continue;
    list.push_back({{"name", status.name},
                    {"version", std::to_string(status.version)},
                    {"state", state_name(status.state)},
                    {"reason", status.reason}});
  }
  return answer(list);
}

}  // namespace

std::vector<Route> model_routes(const Backend& backend) {
  const auto live = [](const Request&) { return health(true); };
  const auto ready = [&](const Request&) {
    return health(backend.repository.ready() && !backend.stopping);
  };
  const auto model_ready = [&](const Request& request) {
    return health(find(backend, request).ok() && !backend.stopping);
  };
  const auto server = [&](const Request&) { return server_metadata(backend); };
  const auto all_stats = [&](const Request&) { return all_statistics(backend); };
  const auto metadata = [&](const Request& request) { return model_metadata(backend, request); };
  const auto stats = [&](const Request& request) { return model_statistics(backend, request); };
  const auto index = [&](const Request& request) { return repository_index(backend, request); };
  constexpr Method kGet = Method::kGet;
  return {
      {kGet, "/v2", SyncHandler(server)},
      {kGet, "/v2/health/live", SyncHandler(live)},
      {kGet, "/v2/health/ready", SyncHandler(ready)},
      // Before the models: one called "stats" has its metadata under its version.
      {kGet, "/v2/models/stats", SyncHandler(all_stats)},
      {kGet, "/v2/models/{model}", SyncHandler(metadata)},
      {kGet, "/v2/models/{model}/versions/{version}", SyncHandler(metadata)},
      {kGet, "/v2/models/{model}/ready", SyncHandler(model_ready)},
      {kGet, "/v2/models/{model}/versions/{version}/ready", SyncHandler(model_ready)},
      {kGet, "/v2/models/{model}/stats", SyncHandler(stats)},
      {kGet, "/v2/models/{model}/versions/{version}/stats", SyncHandler(stats)},
      {Method::kPost, "/v2/repository/index", SyncHandler(index)},
      {Method::kPost, "/v2/repository/{repository}/index", SyncHandler(index)},
  };
}

}  // namespace inferd::serve
