// SPDX-License-Identifier: Apache-2.0
//
// What the inference service says of models.
#include "daemon/serve/call.h"
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/messages.h"
#include "daemon/serve/model_config.h"

namespace inferd::serve {

grpc::ServerUnaryReactor* InferenceService::ModelReady(Context* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  const auto model = find_model(repository_, request->name(), request->version());
  response->set_ready(model.ok());
  // An unknown model is simply not ready; a malformed version is the caller's mistake.
  const bool malformed = model.status().code() == StatusCode::kInvalidArgument;
  return finish(context, malformed ? model.status() : ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    Context* context, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  const auto model = find_model(repository_, request->name(), request->version());
  if (model.ok()) *response = model_metadata(**model);
  return finish(context, model.status());
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    Context* context, const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  const auto model = find_model(repository_, request->name(), request->version());
  if (model.ok()) *response->mutable_config() = describe_config(**model);
  return finish(context, model.status());
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    Context* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  auto statistics = model_statistics(repository_, request->name(), request->version());
  if (statistics.ok()) *response = *std::move(statistics);
  return finish(context, statistics.status());
}

}  // namespace inferd::serve
