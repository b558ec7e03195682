// SPDX-License-Identifier: Apache-2.0
//
// The inference service's calls for settings.
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/settings.h"

namespace inferd::serve {
namespace {

Parameter parameter_of(const inference::LogSettingsRequest::SettingValue& value) {
  using Value = inference::LogSettingsRequest::SettingValue;
  switch (value.parameter_choice_case()) {
    case Value::kBoolParam:
      return value.bool_param();
    case Value::kUint32Param:
      return uint64_t{value.uint32_param()};
    case Value::kStringParam:
      return value.string_param();
    case Value::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return std::monostate();
}

void fill(const Parameter& setting, inference::LogSettingsResponse::SettingValue* out) {
  if (const bool* on = std::get_if<bool>(&setting)) out->set_bool_param(*on);
  if (const auto* number = std::get_if<uint64_t>(&setting)) {
    out->set_uint32_param(static_cast<uint32_t>(*number));
  }
  if (const auto* text = std::get_if<std::string>(&setting)) out->set_string_param(*text);
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::TraceSetting(
    Context* context, const inference::TraceSettingRequest* request,
    inference::TraceSettingResponse* response) {
  if (!request->model_name().empty()) {
    const Status known = find_model(repository_, request->model_name(), "").status();
    if (!known.ok()) return finish(context, known);
  }
  TraceSettings settings;
  for (const auto& [name, setting] : request->settings()) {
    settings[name] = {setting.value().begin(), setting.value().end()};
  }
  const Status status = set_trace_settings(request->model_name(), settings);
  for (const auto& [name, values] : trace_settings(request->model_name())) {
    auto& setting = (*response->mutable_settings())[name];
    for (const std::string& value : values) setting.add_value(value);
  }
  return finish(context, status);
}

grpc::ServerUnaryReactor* InferenceService::LogSettings(
    Context* context, const inference::LogSettingsRequest* request,
    inference::LogSettingsResponse* response) {
  serve::LogSettings settings;
  for (const auto& [name, setting] : request->settings()) settings[name] = parameter_of(setting);
  const Status status = set_log_settings(settings);
  for (const auto& [name, setting] : log_settings()) {
    fill(setting, &(*response->mutable_settings())[name]);
  }
  return finish(context, status);
}

}  // namespace inferd::serve
