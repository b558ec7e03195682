// SPDX-License-Identifier: Apache-2.0
//
// The Open Inference Protocol over HTTP, but for inference itself, and Triton's extensions
// "model configuration", "statistics" and "model repository" as far as they only look.
#include "daemon/serve/call.h"
#include "daemon/serve/control.h"
#include "daemon/serve/http/json_values.h"
#include "daemon/serve/http/routes.h"
#include "daemon/serve/messages.h"
#include "daemon/serve/model_config.h"

namespace inferd::serve {
namespace {

using models::ModelVersion;

// Health has a code and nothing else.
Response health(bool well) {
  Response response;
  response.code = well ? 200 : 400;
  return response;
}

Result<std::shared_ptr<const ModelVersion>> find(const Backend& backend, const Request& request) {
  return find_model(backend.repository, request.capture("model"), request.capture("version"));
}

Response metadata_of_server(const Backend& backend) {
  return json_response(to_json(server_metadata(backend.config, backend.version)));
}

Response metadata(const Backend& backend, const Request& request) {
  const auto found = find(backend, request);
  if (!found.ok()) return error_response(found.status());
  return json_response(to_json(model_metadata(**found)));
}

Response configuration(const Backend& backend, const Request& request) {
  const auto found = find(backend, request);
  if (!found.ok()) return error_response(found.status());
  return json_response(to_json(describe_config(**found)));
}

Response statistics(const Backend& backend, const Request& request) {
  const auto found =
      model_statistics(backend.repository, request.capture("model"), request.capture("version"));
  if (!found.ok()) return error_response(found.status());
  return json_response(to_json(*found));
}

// The body is empty or {"ready": bool}.
Result<bool> only_ready(const Request& request) {
  INFERD_RETURN_IF_ERROR(check_repository(request.capture("repository")));
  INFERD_ASSIGN_OR_RETURN(const nlohmann::json body, object_in(request.body));
  const auto ready = body.find("ready");
  if (ready == body.end()) return false;
  if (!ready->is_boolean()) return invalid_argument("'ready' must be true or false");
  return ready->get<bool>();
}

Response index(const Backend& backend, const Request& request) {
  const auto ready = only_ready(request);
  if (!ready.ok()) return error_response(ready.status());
  return json_response(to_json(repository_index(backend.repository, *ready))["models"]);
}

}  // namespace

std::vector<Route> model_routes(const Backend& backend) {
  const SyncHandler live = [](const Request&) { return health(true); };
  const SyncHandler ready = [&](const Request&) {
    return health(backend.repository.ready() && !backend.stopping);
  };
  const SyncHandler model_ready = [&](const Request& request) {
    return health(find(backend, request).ok() && !backend.stopping);
  };
  const SyncHandler server = [&](const Request&) { return metadata_of_server(backend); };
  const SyncHandler model = [&](const Request& request) { return metadata(backend, request); };
  const SyncHandler config = [&](const Request& request) {
    return configuration(backend, request);
  };
  const SyncHandler stats = [&](const Request& request) { return statistics(backend, request); };
  const SyncHandler list = [&](const Request& request) { return index(backend, request); };
  constexpr Method kGet = Method::kGet;
  constexpr Method kPost = Method::kPost;
  return {
      {kGet, "/v2", Needs::kAnyRole, server},
      {kGet, "/v2/health/live", Needs::kNothing, live},
      {kGet, "/v2/health/ready", Needs::kNothing, ready},
      // Before the models: one called "stats" has its metadata under its version.
      {kGet, "/v2/models/stats", Needs::kObserve, stats},
      {kGet, "/v2/models/{model}", Needs::kAnyRole, model},
      {kGet, "/v2/models/{model}/versions/{version}", Needs::kAnyRole, model},
      {kGet, "/v2/models/{model}/ready", Needs::kNothing, model_ready},
      {kGet, "/v2/models/{model}/versions/{version}/ready", Needs::kNothing, model_ready},
      {kGet, "/v2/models/{model}/config", Needs::kAnyRole, config},
      {kGet, "/v2/models/{model}/versions/{version}/config", Needs::kAnyRole, config},
      {kGet, "/v2/models/{model}/stats", Needs::kObserve, stats},
      {kGet, "/v2/models/{model}/versions/{version}/stats", Needs::kObserve, stats},
      {kPost, "/v2/repository/index", Needs::kObserve, list},
      {kPost, "/v2/repository/{repository}/index", Needs::kObserve, list},
  };
}

}  // namespace inferd::serve
