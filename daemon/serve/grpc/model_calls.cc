// SPDX-License-Identifier: Apache-2.0
//
// What the inference service says of models.
#include "daemon/serve/call.h"
#include "daemon/serve/describe.h"
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/grpc/model_config.h"

namespace inferd::serve {
namespace {

using models::ModelVersion;
using schedule::QueueStatistics;

void fill(const TensorInfo& info, inference::ModelMetadataResponse::TensorMetadata* out) {
  out->set_name(info.name);
  out->set_datatype(std::string(dtype_name(info.dtype)));
  for (int64_t dim : info.shape) out->add_shape(dim);
}

void fill(const schedule::DurationStat& stat, inference::StatisticDuration* out) {
  out->set_count(stat.count);
  out->set_ns(stat.ns);
}

void fill(const QueueStatistics::Batch& batch, inference::InferBatchStatistics* out) {
  out->set_batch_size(static_cast<uint64_t>(batch.size));
  fill(batch.compute_input, out->mutable_compute_input());
  fill(batch.compute_infer, out->mutable_compute_infer());
  fill(batch.compute_output, out->mutable_compute_output());
}

// Of the one response that each request has. How long failing takes is not known here.
void fill(const QueueStatistics& s, inference::InferResponseStatistics* out) {
  fill(s.compute_infer, out->mutable_compute_infer());
  fill(s.compute_output, out->mutable_compute_output());
  out->mutable_success()->set_count(s.success.count);
  out->mutable_success()->set_ns(s.compute_infer.ns + s.compute_output.ns);
  const uint64_t cancelled = s.count(schedule::Refusal::kCancelled);
  out->mutable_fail()->set_count(s.fail.count - cancelled);
  out->mutable_cancel()->set_count(cancelled);
}

void fill(const ModelVersion& model, inference::ModelStatistics* out) {
  const QueueStatistics s = model.queue->statistics();
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
  fill(s.cache_hit, stats->mutable_cache_hit());
  fill(s.cache_miss, stats->mutable_cache_miss());
  for (const auto& batch : s.batches) fill(batch, out->add_batch_stats());
  fill(s, &(*out->mutable_response_stats())["0"]);
  auto* weights = out->add_memory_usage();
  weights->set_type("CPU");
  weights->set_byte_size(static_cast<uint64_t>(model.model->info().weights_bytes));
}

}  // namespace

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

}  // namespace inferd::serve
