// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/models/queue_options.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class TritonModel : public ::testing::Test {
 protected:
  Result<ModelConfig> read(const std::string& text) {
    std::ofstream(path()) << text;
    return load_triton_model(path());
  }
  ModelConfig config(const std::string& text) {
    const auto config = read(text);
    EXPECT_TRUE(config.ok()) << config.status().to_string();
    return config.ok() ? *config : ModelConfig();
  }
  // Without the path before them.
  std::string errors(const std::string& text) { return shortened(read(text).status().message()); }
  std::vector<std::string> notes(const std::string& text) {
    std::vector<std::string> notes;
    for (const std::string& note : config(text).notes) notes.push_back(shortened(note));
    return notes;
  }
  std::string path() const { return folder_.file("config.pbtxt"); }

  TemporaryFolder folder_;

 private:
  std::string shortened(std::string text) const {
    for (size_t at = text.find(path()); at != std::string::npos; at = text.find(path(), at)) {
      text.erase(at, path().size());
    }
    return text;
  }
};

constexpr const char* kDetector = R"(
name: "detector"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "image" data_type: TYPE_FP32 dims: [ 3, 224, -1 ] }
]
output [
  { name: "scores" data_type: TYPE_INT8 dims: [ 1000 ] label_filename: "names.txt" },
  { name: "boxes" data_type: TYPE_STRING dims: [ 4 ] label_filename: "names.txt" }
]
instance_group [ { count: 2 kind: KIND_CPU }, { kind: KIND_AUTO } ]
version_policy: { specific: { versions: [ 3, 1 ] } }
default_model_filename: "net.onnx"
dynamic_batching {
  preferred_batch_size: [ 8, 4 ]
  max_queue_delay_microseconds: 500
  preserve_ordering: true
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 9 max_queue_size: 5 }
  priority_queue_policy { key: 1 value { allow_timeout_override: true } }
}
response_cache { enable: true }
)";

TEST_F(TritonModel, SaysWhatModelYamlCouldSay) {
  const ModelConfig model = config(kDetector);
  ASSERT_TRUE(model.version_policy);
  EXPECT_THAT(model.version_policy->specific, ElementsAre(3, 1));
  EXPECT_EQ(model.labels, "names.txt");
  EXPECT_EQ(model.file_name, "net.onnx");
  EXPECT_THAT(model.notes, IsEmpty());
  const schedule::QueueOptions o = models::queue_options(model);
  EXPECT_EQ(o.max_batch, 8);
  EXPECT_EQ(o.instances, 3);
  EXPECT_THAT(o.preferred_batches, ElementsAre(4, 8));
  EXPECT_EQ(o.max_delay_us, 500);
  EXPECT_TRUE(o.preserve_ordering);
  EXPECT_EQ(o.priority_levels, 3);
  EXPECT_EQ(o.default_priority, 2);
  EXPECT_TRUE(o.default_policy.delay_on_timeout);
  EXPECT_EQ(o.default_policy.timeout_us, 9);
  EXPECT_FALSE(o.default_policy.allow_timeout_override) << "Triton's default";
  EXPECT_EQ(o.default_policy.max_queue, 5);
  EXPECT_TRUE(o.response_cache);
}

TEST_F(TritonModel, ALevelsPolicyInheritsNothing) {
  const schedule::QueueOptions o = models::queue_options(config(kDetector));
  EXPECT_EQ(o.policy(1).timeout_us, 0);
  EXPECT_FALSE(o.policy(1).delay_on_timeout);
  EXPECT_TRUE(o.policy(1).allow_timeout_override);
  EXPECT_GT(o.policy(1).max_queue, o.default_policy.max_queue);
  EXPECT_EQ(o.policy(2).timeout_us, 9);
}

TEST_F(TritonModel, TensorsAreDeclaredWhereTheyStand) {
  const DeclaredModel declared = config(kDetector).declared;
  EXPECT_EQ(declared.name, "detector");
  EXPECT_FALSE(declared.dims_have_batch);
  ASSERT_EQ(declared.inputs.size(), 1U);
  EXPECT_EQ(declared.inputs[0].datatype, "FP32");
  EXPECT_THAT(declared.inputs[0].dims, ElementsAre(3, 224, -1));
  EXPECT_EQ(declared.inputs[0].mark.line, 6);
  ASSERT_EQ(declared.outputs.size(), 2U);
  EXPECT_EQ(declared.outputs[1].datatype, "BYTES");
  EXPECT_EQ(declared.outputs[1].mark.line, 10);
}

TEST_F(TritonModel, AnEmptyFileSaysNothing) {
  const ModelConfig model = config("");
  EXPECT_TRUE(model.declared.dims_have_batch);
  EXPECT_FALSE(model.version);
  EXPECT_EQ(models::queue_options(model).max_batch, 1);
  EXPECT_EQ(models::queue_options(model).instances, 1);
}

TEST_F(TritonModel, SequencesAndTheirStates) {
  const ModelConfig model = config(
      "sequence_batching {\n"
      "  max_sequence_idle_microseconds: 7\n"
      "  oldest { max_candidate_sequences: 4 }\n"
      "  state { input_name: 'h' output_name: 'h_out' data_type: TYPE_FP32 dims: 8\n"
      "          initial_state { data_type: TYPE_FP32 dims: 8 zero_data: true name: 'z' } }\n"
      "}\n");
  EXPECT_EQ(model.max_sequence_idle_us, 7);
  EXPECT_EQ(model.max_sequences, 4);
  EXPECT_THAT(model.declared.states, ElementsAre(Pair("h", "h_out")));
  EXPECT_THAT(model.notes, IsEmpty());
}

TEST_F(TritonModel, SequencesOfTheOldestStrategyRunTogetherAsRequestsDo) {
  const ModelConfig model = config(
      "max_batch_size: 8\n"
      "sequence_batching { oldest { preferred_batch_size: [ 8, 4 ] preserve_ordering: true\n"
      "                             max_queue_delay_microseconds: 500 } }\n");
  EXPECT_EQ(*model.preferred_batches, (std::vector{4, 8}));
  EXPECT_EQ(model.max_delay_us, 500);
  EXPECT_EQ(model.preserve_ordering, true);
  EXPECT_FALSE(model.max_sequences) << "left to the default";
  EXPECT_THAT(errors("max_batch_size: 4\n"
                     "sequence_batching { oldest { preferred_batch_size: 5 } }"),
              HasSubstr(":2:30: 'preferred_batch_size' must be a whole number from 1 to 4"));
}

TEST_F(TritonModel, SequencesOfTheDirectStrategyWaitForSlots) {
  const auto direct = [&](const std::string& options) {
    return config("max_batch_size: 8 sequence_batching { direct { " + options + " } }");
  };
  const std::string delay = "max_queue_delay_microseconds: 500";
  const ModelConfig half = direct(delay + " minimum_slot_utilization: 0.55");
  EXPECT_EQ(*half.preferred_batches, (std::vector{5, 6, 7, 8}));
  EXPECT_EQ(half.max_delay_us, 500);
  EXPECT_EQ(direct(delay).max_delay_us, 0) << "it has enough with the first";
  for (const char* wrong : {"1.5", "-1", "nan"}) {
    EXPECT_THAT(errors(std::string("sequence_batching { direct { minimum_slot_utilization: ") +
                       wrong + " } }"),
                HasSubstr("'minimum_slot_utilization' must be a number from 0 to 1"));
  }
}

TEST_F(TritonModel, AnEnsemblesStepsAndTensors) {
  const EnsembleConfig ensemble =
      config(
          "platform: 'ensemble'\n"
          "input { name: 'image' } output { name: 'label' }\n"
          "ensemble_scheduling { step [\n"
          "  { model_name: 'a' model_version: -1 input_map { key: 'x' value: 'image' }\n"
          "    output_map { key: 'y' value: 't' } output_map { key: 'v' value: 'u' } },\n"
          "  { model_name: 'b' model_version: 2 }\n"
          "] }\n")
          .ensemble;
  EXPECT_THAT(ensemble.inputs, ElementsAre("image"));
  EXPECT_THAT(ensemble.outputs, ElementsAre("label"));
  ASSERT_EQ(ensemble.steps.size(), 2U);
  EXPECT_EQ(ensemble.steps[0].model, "a");
  EXPECT_FALSE(ensemble.steps[0].version);
  EXPECT_THAT(ensemble.steps[0].inputs, ElementsAre(Pair("x", "image")));
  EXPECT_THAT(ensemble.steps[0].outputs, ElementsAre(Pair("v", "u"), Pair("y", "t")));
  EXPECT_EQ(ensemble.steps[1].version, 2);
  EXPECT_EQ(ensemble.steps[1].mark.line, 6);
  EXPECT_EQ(errors("\nplatform: 'ensemble'"), ":2:1: an ensemble needs 'ensemble_scheduling'");
  EXPECT_THAT(errors("ensemble_scheduling { }"), HasSubstr("1 to 64 steps"));
  EXPECT_THAT(errors("ensemble_scheduling { step { model_name: '../a' } }"),
              HasSubstr(":1:30: a step needs a 'model_name'"));
}

TEST_F(TritonModel, WhatHasNoEffectIsReportedByNameAndLine) {
  EXPECT_THAT(
      notes("optimization {\n  graph { level: 1 }\n}\n"
            "colour: 'red'\n"
            "input { name: 'x' dims: 1\n optional: true }\n"
            "instance_group { count: 1\n  gpus: [ 0 ] kind: KIND_GPU }\n"
            "backend: 'python'\n"
            "parameters { key: 'b' value { string_value: 'c' } }\n"
            "parameters { key: 'a' value { string_value: 'd' } }\n"),
      ElementsAre(":1:14: 'optimization' has no effect: the engine optimises every model by itself",
                  ":4:7: 'colour' of ModelConfig is not known here and has no effect",
                  ":6:10: 'optional' has no effect: every request has to bring the input",
                  ":8:7: 'gpus' has no effect: models run on the CPU",
                  ":9:1: 'python' is not here; the model's file says what it is",
                  ":8:15: KIND_GPU: models run on the CPU",
                  ":10:1: parameters have no effect, but clients can read them: 'a', 'b'"));
}

TEST_F(TritonModel, WhatWouldChangeAnswersIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"model_transaction_policy { decoupled: true }", "exactly one answer"},
      {"batch_input { kind: BATCH_ELEMENT_COUNT }", ":1:1: 'batch_input'"},
      {"batch_output { }", ":1:1: 'batch_output'"},
      {"model_repository_agents { agents { name: 'checksum' } }", "model_repository_agents"},
      {"input { name: 'x'\n reshape { shape: [] } }", ":2:2: 'reshape'"},
      {"output { name: 'x'\n reshape { shape: [ 1 ] } }", ":2:2: 'reshape'"},
      {"input { name: 'x' allow_ragged_batch: true }", "allow_ragged_batch"},
      {"output { name: 'x' is_non_linear_format_io: true }", "TensorRT"},
      {"sequence_batching { control_input { name: 'START' } }", "control_input"},
      {"sequence_batching { iterative_sequence: true }", "iterative_sequence"},
      {"sequence_batching { state { initial_state { data_file: 'x' } } }", "data_file"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(errors(text), HasSubstr(message)) << text;
  }
  EXPECT_EQ(errors("model_transaction_policy { decoupled: false }"), "");
}

TEST_F(TritonModel, MistakesAreReportedTogetherAndWhereTheyStand) {
  EXPECT_EQ(errors("max_batch_size: 4\n"
                   "dynamic_batching {\n"
                   "  preferred_batch_size: [ 2, 5 ]\n"
                   "  priority_levels: 17\n"
                   "}\n"
                   "instance_group { count: 65 }\n"
                   "default_model_filename: '../model.onnx'\n"
                   "output { name: 'y' label_filename: '/etc/passwd' }\n"
                   "version_policy { specific { } }\n"),
            ":7:1: 'default_model_filename' must be the name of a file in the version's folder\n"
            ":9:18: 'versions' must name positive versions\n"
            ":8:20: 'label_filename' must name a file in the model's folder\n"
            ":6:18: 'count' must be a whole number from 0 to 64\n"
            ":3:3: 'preferred_batch_size' must be a whole number from 1 to 4\n"
            ":4:3: 'priority_levels' must be a whole number from 0 to 16");
  EXPECT_THAT(errors("max_batch_size: 2\nmax_batch_size: 3"), HasSubstr(":2:"));
  EXPECT_THAT(errors("max_batch_size: 'two'"), HasSubstr(":1:17"));
  EXPECT_THAT(errors("input { data_type: TYPE_FP31 }"), HasSubstr("TYPE_FP31"));
  EXPECT_THAT(errors("input {"), HasSubstr(":1:"));
  EXPECT_THAT(errors("name: '\\377'"), HasSubstr("UTF-8"));
  EXPECT_THAT(errors("dynamic_batching { priority_levels: 2 "
                     "priority_queue_policy { key: 3 value { } } }"),
              HasSubstr("a level 3, but levels are 1 to 2"));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "x {";
  EXPECT_FALSE(read(deep).ok());
  EXPECT_EQ(load_triton_model(folder_.file("none")).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace inferd::config
