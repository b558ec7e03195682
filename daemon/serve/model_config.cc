// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/model_config.h"

#include <filesystem>

#include "daemon/serve/describe.h"

namespace inferd::serve {
namespace {

using schedule::QueueOptions;

inference::DataType type_of(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return inference::TYPE_BOOL;
    case DType::kUInt8:
      return inference::TYPE_UINT8;
    case DType::kUInt16:
      return inference::TYPE_UINT16;
    case DType::kUInt32:
      return inference::TYPE_UINT32;
    case DType::kUInt64:
      return inference::TYPE_UINT64;
    case DType::kInt8:
      return inference::TYPE_INT8;
    case DType::kInt16:
      return inference::TYPE_INT16;
    case DType::kInt32:
      return inference::TYPE_INT32;
    case DType::kInt64:
      return inference::TYPE_INT64;
    case DType::kFloat16:
      return inference::TYPE_FP16;
    case DType::kFloat32:
      return inference::TYPE_FP32;
    case DType::kFloat64:
      return inference::TYPE_FP64;
  }
  return inference::TYPE_INVALID;
}

// `out` is a ModelInput or a ModelOutput.
template <typename Out>
void fill(const TensorInfo& info, bool batchable, Out* out) {
  out->set_name(info.name);
  out->set_data_type(type_of(info.dtype));
  for (int i = batchable ? 1 : 0; i < info.shape.rank(); ++i) out->add_dims(info.shape[i]);
}

void fill(const schedule::QueuePolicy& policy, inference::ModelQueuePolicy* out) {
  using Out = inference::ModelQueuePolicy;
  out->set_timeout_action(policy.delay_on_timeout ? Out::DELAY : Out::REJECT);
  out->set_default_timeout_microseconds(static_cast<uint64_t>(policy.timeout_us));
  out->set_allow_timeout_override(policy.allow_timeout_override);
  out->set_max_queue_size(static_cast<uint32_t>(policy.max_queue));
}

void fill(const QueueOptions& options, inference::ModelDynamicBatching* out) {
  for (const int size : options.preferred_batches) out->add_preferred_batch_size(size);
  out->set_max_queue_delay_microseconds(static_cast<uint64_t>(options.max_delay_us));
  out->set_preserve_ordering(options.preserve_ordering);
  const int levels = options.priority_levels;
  out->set_priority_levels(static_cast<uint64_t>(levels));
  out->set_default_priority_level(
      static_cast<uint64_t>(options.default_priority == 0 ? levels : options.default_priority));
  fill(options.default_policy, out->mutable_default_queue_policy());
  for (const auto& [level, policy] : options.policies) {
    fill(policy, &(*out->mutable_priority_queue_policy())[static_cast<uint64_t>(level)]);
  }
}

void fill(const std::vector<config::EnsembleStep>& steps, inference::ModelEnsembling* out) {
  for (const config::EnsembleStep& step : steps) {
    auto* to = out->add_step();
    to->set_model_name(step.model);
    to->set_model_version(step.version.value_or(-1));
    for (const auto& [name, tensor] : step.inputs) (*to->mutable_input_map())[name] = tensor;
    for (const auto& [name, tensor] : step.outputs) (*to->mutable_output_map())[name] = tensor;
  }
}

// Of a model that has labels, which are those of all outputs.
const std::string& labels_file(const config::ModelConfig& config) {
  static const std::string unnamed = "labels.txt";  // beside the model
  return config.labels.empty() ? unnamed : config.labels;
}

}  // namespace

inference::ModelConfig describe_config(const models::ModelVersion& model) {
  const ModelInfo& info = model.model->info();
  const QueueOptions& options = model.queue->options();
  inference::ModelConfig config;
  config.set_name(model.name);
  config.set_platform(platform_name(*model.model));
  config.set_backend(std::string(kServerName));
  config.set_default_model_filename(std::filesystem::path(model.path).filename());
  const config::DeclaredModel& declared = model.config.declared;
  const bool batches = info.batchable && !declared.dims_have_batch;
  config.set_max_batch_size(batches ? options.max_batch : 0);
  for (const TensorInfo& input : info.inputs) fill(input, batches, config.add_input());
  for (const TensorInfo& output : info.outputs) {
    fill(output, batches, config.add_output());
    if (!model.labels.empty())
      config.mutable_output()->rbegin()->set_label_filename(labels_file(model.config));
  }
  for (const auto& [name, value] : declared.parameters) {
    (*config.mutable_parameters())[name].set_string_value(value);
  }
  if (model.config.version) {
    config.mutable_version_policy()->mutable_specific()->add_versions(*model.config.version);
  } else {
    config.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  }
  if (!model.config.ensemble.steps.empty()) {
    config.clear_backend();
    fill(model.config.ensemble.steps, config.mutable_ensemble_scheduling());
    return config;
  }
  if (options.response_cache) config.mutable_response_cache()->set_enable(true);
  auto* instances = config.add_instance_group();
  instances->set_name(model.name + "_0");
  instances->set_count(options.instances);
  instances->set_kind(inference::ModelInstanceGroup::KIND_CPU);
  if (!info.states.empty()) {
    auto* sequences = config.mutable_sequence_batching();
    sequences->set_max_sequence_idle_microseconds(
        static_cast<uint64_t>(options.max_sequence_idle_us));
    auto* oldest = sequences->mutable_oldest();
    oldest->set_max_candidate_sequences(options.max_sequences);
    for (const int size : options.preferred_batches) oldest->add_preferred_batch_size(size);
    oldest->set_max_queue_delay_microseconds(static_cast<uint64_t>(options.max_delay_us));
    oldest->set_preserve_ordering(options.preserve_ordering);
  } else if (options.max_batch > 1) {
    fill(options, config.mutable_dynamic_batching());
  }
  return config;
}

}  // namespace inferd::serve
