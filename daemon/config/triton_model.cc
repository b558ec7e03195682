// SPDX-License-Identifier: Apache-2.0
//
// What Triton's model configuration means here: docs/model-repository.md has the table of it.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <utility>

#include "daemon/config/ensemble_options.h"
#include "daemon/config/model_options.h"
#include "daemon/config/triton_text.h"
#include "package/name.h"

namespace inferd::config {
namespace {

// One file on its way to a ModelConfig.
class TritonReader {
 public:
  explicit TritonReader(const TritonText& text) : root_(text.root()) {
    model_.mark = root_.mark();
    model_.declared.mark = root_.mark();
    model_.notes = text.notes;
  }

  Result<ModelConfig> read() {
    refuse();
    model_.declared.name = root_->name();
    read_platform();
    read_file_name();
    read_versions();
    read_batch_size();
    read_tensors(root_->input(), "input", model_.declared.inputs);
    read_tensors(root_->output(), "output", model_.declared.outputs);
    read_labels();
    read_instances();
    read_dynamic_batching();
    read_sequence_batching();
    read_ensemble();
    if (root_->has_response_cache()) model_.response_cache = root_->response_cache().enable();
    read_parameters();
    INFERD_RETURN_IF_ERROR(errors_.status());
    return std::move(model_);
  }

 private:
  void error(const Mark& mark, const std::string& message) { errors_.add(mark, message); }
  void note(const Mark& mark, const std::string& message) {
    model_.notes.push_back(mark.to_string() + ": " + message);
  }

  // The value of a field where it lies in the range; says so where it does not.
  template <typename Message, typename Value>
  std::optional<int64_t> number(const Part<Message>& part, const std::string& field, Value value,
                                int64_t min, int64_t max, int index = -1) {
    if (std::cmp_greater_equal(value, min) && std::cmp_less_equal(value, max)) {
      return static_cast<int64_t>(value);
    }
    error(part.mark_of(field, index), "'" + field + "' must be a whole number from " +
                                          std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }

  // What would make answers others than the configuration's author expects.
  void refuse() {
    const auto refuse_if = [&](bool found, const std::string& field, const std::string& why) {
      if (found) error(root_.mark_of(field, 0), "'" + field + "' is not supported: " + why);
    };
    refuse_if(root_->model_transaction_policy().decoupled(), "model_transaction_policy",
              "every request has exactly one answer");
    refuse_if(root_->batch_input_size() > 0, "batch_input", "a model gets what clients send");
    refuse_if(root_->batch_output_size() > 0, "batch_output", "batches are cut along dimension 0");
    refuse_if(root_->has_model_repository_agents(), "model_repository_agents",
              "files are taken as they are, and an agent might have to check them first");
  }

  void read_platform() {
    static const std::vector<std::string> known = {
        "", "inferd", "onnxruntime", "onnxruntime_onnx", "tensorflow_lite", "armnn_tflite"};
    for (const auto& [field, name] :
         {std::pair("platform", root_->platform()), std::pair("backend", root_->backend())}) {
      const bool ours = name.starts_with("inferd_") || name == "ensemble";
      if (ours || std::find(known.begin(), known.end(), name) != known.end()) continue;
      note(root_.mark_of(field), "'" + name + "' is not here; the model's file says what it is");
    }
  }

  void read_file_name() {
    const std::string& name = root_->default_model_filename();
    if (name.find('/') != std::string::npos || name == "." || name == "..") {
      error(root_.mark_of("default_model_filename"),
            "'default_model_filename' must be the name of a file in the version's folder");
    }
    model_.file_name = name;
  }

  void read_versions() {
    const Part policy = root_.part(root_->version_policy(), "version_policy");
    VersionPolicy chosen;
    if (policy->has_all()) chosen.latest = INT64_MAX;
    if (policy->latest().num_versions() > 1) chosen.latest = policy->latest().num_versions();
    if (policy->has_specific()) {
      const auto& versions = policy->specific().versions();
      chosen = {0, {versions.begin(), versions.end()}};
      if (versions.empty() || *std::min_element(versions.begin(), versions.end()) < 1)
        return error(policy.mark_of("specific"), "'versions' must name positive versions");
    }
    if (chosen.latest != 1) model_.version_policy = std::move(chosen);
  }

  void read_batch_size() {
    model_.declared.dims_have_batch = root_->max_batch_size() == 0;
    const auto size = number(root_, "max_batch_size", root_->max_batch_size(), 0, kMaxBatch);
    if (size) model_.max_batch = static_cast<int>(std::max<int64_t>(*size, 1));
  }

  template <typename Tensors>
  void read_tensors(const Tensors& tensors, const std::string& field,
                    std::vector<TensorConfig>& out) {
    for (int i = 0; i < tensors.size(); ++i) {
      const Part tensor = root_.part(tensors[i], field, i);
      if (tensor->name().empty()) error(tensor.mark(), "an " + field + " needs a name");
      if (tensor->has_reshape()) {
        error(tensor.mark_of("reshape"),
              "'reshape' is not supported: declare the shape that the model has");
      }
      if (tensor->is_non_linear_format_io()) {
        error(tensor.mark_of("is_non_linear_format_io"), "only TensorRT has such tensors");
      }
      if constexpr (std::is_same_v<std::decay_t<decltype(*tensor)>, inference::ModelInput>) {
        if (tensor->allow_ragged_batch()) {
          error(tensor.mark_of("allow_ragged_batch"),
                "'allow_ragged_batch' is not supported: requests of one shape run together");
        }
      }
      out.push_back({tensor->name(),
                     datatype(tensor->data_type()),
                     {tensor->dims().begin(), tensor->dims().end()},
                     tensor.mark_of("name")});
    }
  }
  static std::string datatype(inference::DataType type) {
    if (type == inference::TYPE_INVALID) return "";
    if (type == inference::TYPE_STRING) return "BYTES";
    return inference::DataType_Name(type).substr(sizeof("TYPE_") - 1);
  }

  void read_labels() {
    for (int i = 0; i < root_->output_size(); ++i) {
      const std::string& name = root_->output(i).label_filename();
      if (name.empty() || name == model_.labels) continue;
      const Mark mark = root_.part(root_->output(i), "output", i).mark_of("label_filename");
      const std::filesystem::path path(name);
      if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end()) {
        error(mark, "'label_filename' must name a file in the model's folder");
      } else if (!model_.labels.empty()) {
        note(mark, "all outputs have the labels of '" + model_.labels + "'");
      } else {
        model_.labels = name;
      }
    }
  }

  void read_instances() {
    int64_t instances = 0;
    for (int i = 0; i < root_->instance_group_size(); ++i) {
      const Part group = root_.part(root_->instance_group(i), "instance_group", i);
      using Group = inference::ModelInstanceGroup;
      if (group->kind() == Group::KIND_GPU) {
        note(group.mark_of("kind"), "KIND_GPU: models run on the CPU");
      }
      // 0: not said.
      const auto count = number(group, "count", group->count(), 0, kMaxInstances);
      instances += std::max<int64_t>(count.value_or(0), 1);
    }
    if (instances > kMaxInstances) {
      error(root_.mark_of("instance_group", 0),
            "more than " + std::to_string(kMaxInstances) + " instances");
    }
    if (instances > 0) model_.instances = static_cast<int>(instances);
  }

  void read_dynamic_batching() {
    // Its absence means the same as if all of it was left out.
    const Part batching = root_.part(root_->dynamic_batching(), "dynamic_batching");
    model_.max_delay_us = number(batching, "max_queue_delay_microseconds",
                                 batching->max_queue_delay_microseconds(), 0, kMaxMicroseconds);
    model_.preserve_ordering = batching->preserve_ordering();
    model_.preferred_batches = preferred_sizes(batching);
    const auto levels =
        number(batching, "priority_levels", batching->priority_levels(), 0, kMaxLevels);
    model_.priority_levels = static_cast<int>(std::max<int64_t>(levels.value_or(0), 1));
    const auto level = number(batching, "default_priority_level",
                              batching->default_priority_level(), 0, *model_.priority_levels);
    if (level.value_or(0) > 0) model_.default_priority = static_cast<int>(*level);
    read_policies(batching);
  }

  // Of ModelDynamicBatching or StrategyOldest.
  template <typename Batching>
  std::vector<int> preferred_sizes(const Part<Batching>& batching) {
    std::vector<int> sizes;
    for (int i = 0; i < batching->preferred_batch_size_size(); ++i) {
      const auto size = number(batching, "preferred_batch_size", batching->preferred_batch_size(i),
                               1, *model_.max_batch, i);
      if (size) sizes.push_back(static_cast<int>(*size));
    }
    std::sort(sizes.begin(), sizes.end());
    return sizes;
  }

  void read_policies(const Part<inference::ModelDynamicBatching>& batching) {
    model_.default_policy =
        policy(batching.part(batching->default_queue_policy(), "default_queue_policy"));
    for (const auto& [level, own] : batching->priority_queue_policy()) {
      const Mark mark = batching.mark_of("priority_queue_policy", 0);
      if (level < 1 || std::cmp_greater(level, *model_.priority_levels)) {
        error(mark, "'priority_queue_policy' has a level " + std::to_string(level) +
                        ", but levels are 1 to " + std::to_string(*model_.priority_levels));
        continue;
      }
      QueuePolicyConfig& read = model_.policies[static_cast<int>(level)];
      read = policy({own, nullptr, mark});
      // 0 is no limit of its own, whatever the default policy's is.
      if (!read.max_queue) read.max_queue = static_cast<int>(kMaxQueue);
    }
  }

  // What a policy leaves out is not left to others.
  QueuePolicyConfig policy(const Part<inference::ModelQueuePolicy>& part) {
    QueuePolicyConfig policy;
    policy.timeout_us = number(part, "default_timeout_microseconds",
                               part->default_timeout_microseconds(), 0, kMaxMicroseconds);
    policy.delay_on_timeout = part->timeout_action() == inference::ModelQueuePolicy::DELAY;
    policy.allow_timeout_override = part->allow_timeout_override();
    const auto size = number(part, "max_queue_size", part->max_queue_size(), 0, kMaxQueue);
    if (size.value_or(0) > 0) policy.max_queue = static_cast<int>(*size);
    return policy;
  }

  void read_sequence_batching() {
    const Part sequences = root_.part(root_->sequence_batching(), "sequence_batching");
    if (sequences->control_input_size() > 0) {
      error(sequences.mark_of("control_input", 0),
            "'control_input' is not supported: a model gets what clients send");
    }
    if (sequences->iterative_sequence()) {
      error(sequences.mark_of("iterative_sequence"),
            "'iterative_sequence' is not supported: every request runs once");
    }
    // 0: not said, of both.
    const auto idle = number(sequences, "max_sequence_idle_microseconds",
                             sequences->max_sequence_idle_microseconds(), 0, kMaxIdleMicroseconds);
    if (idle.value_or(0) > 0) model_.max_sequence_idle_us = *idle;
    if (sequences->has_oldest()) read_oldest(sequences.part(sequences->oldest(), "oldest"));
    if (sequences->has_direct()) read_direct(sequences.part(sequences->direct(), "direct"));
    for (int i = 0; i < sequences->state_size(); ++i) {
      const Part state = sequences.part(sequences->state(i), "state", i);
      for (int j = 0; j < state->initial_state_size(); ++j) {
        if (!state->initial_state(j).has_data_file()) continue;
        error(state.mark_of("initial_state", j), "'data_file' is not supported: states begin as 0");
      }
      model_.declared.states.emplace_back(state->input_name(), state->output_name());
    }
  }

  void read_oldest(const Part<inference::ModelSequenceBatching::StrategyOldest>& oldest) {
    const auto most = number(oldest, "max_candidate_sequences", oldest->max_candidate_sequences(),
                             0, kMaxSequences);
    if (most.value_or(0) > 0) model_.max_sequences = static_cast<int>(*most);
    model_.max_delay_us = number(oldest, "max_queue_delay_microseconds",
                                 oldest->max_queue_delay_microseconds(), 0, kMaxMicroseconds);
    model_.preferred_batches = preferred_sizes(oldest);
    model_.preserve_ordering = oldest->preserve_ordering();
  }

  // Sequences have no slots here, but batches wait as they would: for so many of them to be filled.
  void read_direct(const Part<inference::ModelSequenceBatching::StrategyDirect>& direct) {
    const auto delay = number(direct, "max_queue_delay_microseconds",
                              direct->max_queue_delay_microseconds(), 0, kMaxMicroseconds);
    const float utilization = direct->minimum_slot_utilization();
    if (!(utilization >= 0 && utilization <= 1)) {
      return error(direct.mark_of("minimum_slot_utilization"),
                   "'minimum_slot_utilization' must be a number from 0 to 1");
    }
    if (utilization == 0) return;
    model_.max_delay_us = delay;
    const int slots = *model_.max_batch;
    const int enough = static_cast<int>(std::ceil(utilization * static_cast<float>(slots)));
    std::vector<int> sizes;
    for (int size = enough; size <= slots; ++size) sizes.push_back(size);
    model_.preferred_batches = std::move(sizes);
  }

  void read_ensemble() {
    if (root_->platform() == "ensemble" && !root_->has_ensemble_scheduling()) {
      error(root_.mark_of("platform"), "an ensemble needs 'ensemble_scheduling'");
    }
    const Part ensemble = root_.part(root_->ensemble_scheduling(), "ensemble_scheduling");
    if (root_->has_ensemble_scheduling()) {
      if (ensemble->step_size() == 0 ||
          std::cmp_greater(ensemble->step_size(), kMaxEnsembleSteps)) {
        error(ensemble.mark(),
              "an ensemble has 1 to " + std::to_string(kMaxEnsembleSteps) + " steps");
      }
      for (const auto& input : root_->input()) model_.ensemble.inputs.push_back(input.name());
      for (const auto& output : root_->output()) model_.ensemble.outputs.push_back(output.name());
    }
    for (int i = 0; i < ensemble->step_size(); ++i) {
      const Part part = ensemble.part(ensemble->step(i), "step", i);
      EnsembleStep step;
      step.model = part->model_name();
      step.mark = part.mark_of("model_name");
      if (!package::is_model_name(step.model)) error(step.mark, "a step needs a 'model_name'");
      if (part->model_version() > 0) step.version = part->model_version();
      // Sorted: the file's order is lost, and the same file shall mean the same each time.
      const std::map<std::string, std::string> inputs(part->input_map().begin(),
                                                      part->input_map().end());
      const std::map<std::string, std::string> outputs(part->output_map().begin(),
                                                       part->output_map().end());
      step.inputs.assign(inputs.begin(), inputs.end());
      step.outputs.assign(outputs.begin(), outputs.end());
      model_.ensemble.steps.push_back(std::move(step));
    }
  }

  void read_parameters() {
    for (const auto& [name, value] : root_->parameters()) {
      model_.declared.parameters[name] = value.string_value();
    }
    if (model_.declared.parameters.empty()) return;
    std::string names;
    for (const auto& [name, value] : model_.declared.parameters) {
      names += (names.empty() ? "'" : ", '") + name + "'";
    }
    note(root_.mark_of("parameters", 0),
         "parameters have no effect, but clients can read them: " + names);
  }

  const Part<inference::ModelConfig> root_;
  ModelConfig model_;
  Errors errors_;
};

}  // namespace

Result<ModelConfig> load_triton_model(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const auto text, parse_triton_text(path));
  return TritonReader(*text).read();
}

}  // namespace inferd::config
