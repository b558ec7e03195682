// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/messages.h"

#include "daemon/serve/call.h"
#include "daemon/serve/describe.h"

namespace inferd::serve {
namespace {

using models::ModelVersion;
using schedule::QueueStatistics;

// Of the Open Inference Protocol, by Triton's names.
constexpr const char* kExtensions[] = {
    "binary_tensor_data",  "classification",   "logging",
    "model_configuration", "model_repository", "model_repository(unload_dependents)",
    "parameters",          "schedule_policy",  "sequence",
    "sequence(string_id)", "statistics",       "trace"};

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

inference::ServerMetadataResponse server_metadata(const config::ServerConfig& config,
                                                  const std::string& version) {
  inference::ServerMetadataResponse response;
  response.set_name(std::string(kServerName));
  response.set_version(version);
  for (const char* extension : kExtensions) response.add_extensions(extension);
  if (config.system_shared_memory) response.add_extensions("system_shared_memory");
  return response;
}

inference::ModelMetadataResponse model_metadata(const ModelVersion& model) {
  inference::ModelMetadataResponse response;
  response.set_name(model.name);
  response.add_versions(std::to_string(model.version));
  response.set_platform(platform_name(*model.model));
  for (const TensorInfo& input : model.model->inputs()) fill(input, response.add_inputs());
  for (const TensorInfo& output : model.model->outputs()) fill(output, response.add_outputs());
  return response;
}

Result<inference::ModelStatisticsResponse> model_statistics(const models::Repository& repository,
                                                            const std::string& name,
                                                            const std::string& version) {
  inference::ModelStatisticsResponse response;
  if (!name.empty()) {
    INFERD_ASSIGN_OR_RETURN(const auto model, find_model(repository, name, version));
    fill(*model, response.add_model_stats());
    return response;
  }
  for (const models::ModelStatus& status : repository.list()) {
    const auto model = repository.find(status.name, status.version);
    if (model.ok()) fill(**model, response.add_model_stats());
  }
  return response;
}

inference::RepositoryIndexResponse repository_index(const models::Repository& repository,
                                                    bool only_ready) {
  inference::RepositoryIndexResponse response;
  for (const models::ModelStatus& status : repository.index()) {
    if (only_ready && status.state != models::ModelState::kReady) continue;
    auto* model = response.add_models();
    model->set_name(status.name);
    if (status.version != 0) model->set_version(std::to_string(status.version));
    model->set_state(std::string(state_name(status.state)));
    model->set_reason(status.reason);
  }
  return response;
}

}  // namespace inferd::serve
