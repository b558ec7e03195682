// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/inference_service.h"

#include "daemon/serve/describe.h"
#include "daemon/serve/grpc/deadline.h"
#include "daemon/serve/grpc/infer_messages.h"
#include "daemon/serve/grpc/infer_stream.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {
namespace {

using models::ModelVersion;

grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context, const Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(to_grpc(status));
  return reactor;
}

void fill(const TensorInfo& info, inference::ModelMetadataResponse::TensorMetadata* out) {
  out->set_name(info.name);
  out->set_datatype(std::string(dtype_name(info.dtype)));
  for (int64_t dim : info.shape) out->add_shape(dim);
}

void fill(const schedule::DurationStat& stat, inference::StatisticDuration* out) {
  out->set_count(stat.count);
  out->set_ns(stat.ns);
}

void fill(const ModelVersion& model, inference::ModelStatistics* out) {
  const schedule::QueueStatistics s = model.queue->statistics();
  out->set_name(model.name);
  out->set_version(std::to_string(model.version));
  out->set_last_inference(static_cast<uint64_t>(s.last_inference_ms));
  out->set_inference_count(s.inference_count);
  out->set_execution_count(s.execution_count);
  auto* stats = out->mutable_inference_stats();
  fill(s.success, stats->mutable_success());
  fill(s.fail, stats->mutable_fail());
  fill(s.queue, stats->mutable_queue());
  fill(s.compute_input, stats->mutable_compute_input());
  fill(s.compute_infer, stats->mutable_compute_infer());
  fill(s.compute_output, stats->mutable_compute_output());
  for (const auto& batch : s.batches) {
    auto* b = out->add_batch_stats();
    b->set_batch_size(static_cast<uint64_t>(batch.size));
    fill(batch.compute_input, b->mutable_compute_input());
    fill(batch.compute_infer, b->mutable_compute_infer());
    fill(batch.compute_output, b->mutable_compute_output());
  }
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::ServerLive(Context* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  response->set_live(true);
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(Context* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  response->set_ready(repository_.ready());
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    Context* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  response->set_name(std::string(kServerName));
  response->set_version(version_);
  response->add_extensions("binary_tensor_data");
  response->add_extensions("statistics");
  return finish(context, ok_status());
}

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
  const auto found = find_model(repository_, request->name(), request->version());
  if (!found.ok()) return finish(context, found.status());
  const ModelVersion& version = **found;
  response->set_name(version.name);
  response->add_versions(std::to_string(version.version));
  response->set_platform(platform_name(*version.model));
  for (const TensorInfo& input : version.model->inputs()) fill(input, response->add_inputs());
  for (const TensorInfo& output : version.model->outputs()) fill(output, response->add_outputs());
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(Context* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  const auto decoded = decode_call(*request, repository_);
  if (!decoded.ok()) return finish(context, decoded.status());
  const std::shared_ptr<const InferCall>& call = *decoded;

  // gRPC keeps request and response until Finish, so the tensors stay where they are.
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  schedule::Request work = make_request(call, deadline_ns(*context));
  // Safe until the call is finished, and `done` finishes it.
  work.cancelled = [context] { return context->IsCancelled(); };
  work.done = [=](const schedule::Outcome& outcome) {
    if (outcome.status.ok()) {
      response->set_id(request->id());
      encode_outputs(outcome.outputs, call->outputs, *call->model, *response);
    }
    reactor->Finish(to_grpc(outcome.status));
  };
  call->model->queue->submit(std::move(work));
  return reactor;
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
InferenceService::ModelStreamInfer(Context* context) {
  return new InferStream(*context, repository_, config_.max_message_bytes);
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    Context* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  if (!request->name().empty()) {
    const auto model = find_model(repository_, request->name(), request->version());
    if (model.ok()) fill(**model, response->add_model_stats());
    return finish(context, model.status());
  }
  for (const models::ModelStatus& status : repository_.list()) {
    const auto model = repository_.find(status.name, status.version);
    if (model.ok()) fill(**model, response->add_model_stats());
  }
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(
    Context* context, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  for (const models::ModelStatus& status : repository_.list()) {
    if (request->ready() && status.state != models::ModelState::kReady) continue;
    auto* model = response->add_models();
    model->set_name(status.name);
    model->set_version(std::to_string(status.version));
    model->set_state(std::string(state_name(status.state)));
    model->set_reason(status.reason);
  }
  return finish(context, ok_status());
}

}  // namespace inferd::serve
