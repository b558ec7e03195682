// SPDX-License-Identifier: Apache-2.0
//
// What changes the daemon while it runs: Triton's extensions "model repository", "logging" and
// "trace" over HTTP.
#include "daemon/serve/call.h"
#include "daemon/serve/control.h"
#include "daemon/serve/http/json_values.h"
#include "daemon/serve/http/routes.h"
#include "daemon/serve/settings.h"
#include "package/base64.h"

namespace inferd::serve {
namespace {

using Json = nlohmann::ordered_json;

// {"parameters": {NAME: value}}, which may be left out, as may the body. Files may come with it.
Result<nlohmann::json> parameters_of(const Backend& backend, const Request& request) {
  INFERD_RETURN_IF_ERROR(check_repository(request.capture("repository")));
  INFERD_ASSIGN_OR_RETURN(nlohmann::json body,
                          object_in(request.body, 2 * backend.config.max_message_bytes));
  const auto parameters = body.find("parameters");
  if (parameters == body.end()) return nlohmann::json::object();
  if (!parameters->is_object()) return invalid_argument("'parameters' must be an object");
  return std::move(*parameters);
}

// What comes with a load: a configuration as text, files as base64.
Result<std::map<std::string, std::string>> content_of(nlohmann::json parameters) {
  std::map<std::string, std::string> content;
  for (auto& [name, value] : parameters.items()) {
    INFERD_RETURN_IF_ERROR(check_load_parameter(name));
    const std::string what = "load parameter '" + name + "'";
    if (!value.is_string()) return invalid_argument(what + " must be a text");
    auto& text = value.get_ref<std::string&>();
    if (name == "config") {
      content[name] = std::move(text);
      continue;
    }
    auto bytes = package::from_base64(text);
    if (!bytes.ok()) return bytes.status().with_context(what);
    content[name] = std::move(*bytes);
  }
  return content;
}

// 200 without a body, or the error.
models::Repository::Done answer_to(const Done& done) {
  return [done](const Status& status) { done(status.ok() ? Response() : error_response(status)); };
}

void load(const Backend& backend, const Request& request, const Done& done) {
  auto parameters = parameters_of(backend, request);
  if (!parameters.ok()) return done(error_response(parameters.status()));
  auto content = content_of(std::move(*parameters));
  if (!content.ok()) return done(error_response(content.status()));
  load_model(backend.repository, backend.deployments, request.capture("model"), std::move(*content),
             answer_to(done));
}

void unload(const Backend& backend, const Request& request, const Done& done) {
  const auto parameters = parameters_of(backend, request);
  if (!parameters.ok()) return done(error_response(parameters.status()));
  UnloadOptions options;
  for (const auto& [name, value] : parameters->items()) {
    const Status understood =
        set_unload_parameter(name, value.get_ptr<const nlohmann::json::boolean_t*>(), options);
    if (!understood.ok()) return done(error_response(understood));
  }
  backend.repository.unload(request.capture("model"), options.with_parts, answer_to(done));
}

Response log_answer() {
  Json json = Json::object();
  for (const auto& [name, setting] : log_settings()) {
    if (const bool* on = std::get_if<bool>(&setting)) json[name] = *on;
    if (const auto* number = std::get_if<uint64_t>(&setting)) json[name] = *number;
    if (const auto* text = std::get_if<std::string>(&setting)) json[name] = *text;
  }
  return json_response(json);
}

Response change_log(const Request& request) {
  const auto body = object_in(request.body);
  if (!body.ok()) return error_response(body.status());
  LogSettings settings;
  for (const auto& [name, value] : body->items()) settings[name] = parameter_of(value);
  const Status status = set_log_settings(settings);
  return status.ok() ? log_answer() : error_response(status);
}

// The level is a list; every other setting has one value.
Response trace_answer(const std::string& model) {
  Json json = Json::object();
  for (const auto& [name, values] : trace_settings(model)) {
    if (name == "trace_level" || values.size() != 1) {
      json[name] = values;
    } else {
      json[name] = values[0];
    }
  }
  return json_response(json);
}

// A text, a list of texts, or null, which clears the setting.
Result<std::vector<std::string>> values_of(const std::string& name, const nlohmann::json& value) {
  std::vector<std::string> values;
  if (value.is_null()) return values;
  for (const nlohmann::json& item : value.is_array() ? value : nlohmann::json::array({value})) {
    if (!item.is_string())
      return invalid_argument("trace setting '" + name + "' must be a text or a list of texts");
    values.push_back(item.get<std::string>());
  }
  return values;
}

Status set_traces(const std::string& model, const Request& request) {
  INFERD_ASSIGN_OR_RETURN(const nlohmann::json body, object_in(request.body));
  TraceSettings settings;
  for (const auto& [name, value] : body.items()) {
    INFERD_ASSIGN_OR_RETURN(settings[name], values_of(name, value));
  }
  return set_trace_settings(model, settings);
}

// Of a model, which must be there, or of all.
Response traces(const Backend& backend, const Request& request, bool change) {
  const std::string model = request.capture("model");
  Status status = model.empty() ? ok_status() : find_model(backend.repository, model, "").status();
  if (status.ok() && change) status = set_traces(model, request);
  return status.ok() ? trace_answer(model) : error_response(status);
}

}  // namespace

std::vector<Route> control_routes(const Backend& backend) {
  const AsyncHandler enter = [&](const std::shared_ptr<const Request>& request, const Done& done) {
    load(backend, *request, done);
  };
  const AsyncHandler leave = [&](const std::shared_ptr<const Request>& request, const Done& done) {
    unload(backend, *request, done);
  };
  const SyncHandler log = [](const Request&) { return log_answer(); };
  const SyncHandler set_log = [](const Request& request) { return change_log(request); };
  const SyncHandler trace = [&](const Request& request) { return traces(backend, request, false); };
  const SyncHandler set_trace = [&](const Request& request) {
    return traces(backend, request, true);
  };
  constexpr Method kGet = Method::kGet;
  constexpr Method kPost = Method::kPost;
  constexpr Needs kObserve = Needs::kObserve;
  constexpr Needs kAdmin = Needs::kAdmin;
  return {
      {kPost, "/v2/repository/models/{model}/load", kAdmin, enter},
      {kPost, "/v2/repository/{repository}/models/{model}/load", kAdmin, enter},
      {kPost, "/v2/repository/models/{model}/unload", kAdmin, leave},
      {kPost, "/v2/repository/{repository}/models/{model}/unload", kAdmin, leave},
      {kGet, "/v2/logging", kObserve, log},
      {kPost, "/v2/logging", kAdmin, set_log},
      {kGet, "/v2/trace/setting", kObserve, trace},
      {kPost, "/v2/trace/setting", kAdmin, set_trace},
      {kGet, "/v2/models/{model}/trace/setting", kObserve, trace},
      {kPost, "/v2/models/{model}/trace/setting", kAdmin, set_trace},
  };
}

}  // namespace inferd::serve
