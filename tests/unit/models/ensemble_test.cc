// SPDX-License-Identifier: Apache-2.0
//
// Ensembles of models that do what a file says (tests/backends), in a repository on disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "daemon/models/repository.h"
#include "tests/backends/scripted_engine.h"
#include "tests/unit/models/repository_folder.h"

namespace inferd::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char kAddSub[] = R"({"backend": "add_sub", "inputs": [{"datatype": "FP32", "shape": [-1, 2]},
                                                            {"datatype": "FP32", "shape": [-1, 2]}]})";
const char kRepeat[] =
    R"({"backend": "repeat", "times": 2, "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]})";
// (a + b) twice; a - b as it is.
const char kEnsemble[] = R"(
ensemble_scheduling:
  step:
    - {model_name: twice, input_map: {INPUT0: sum}, output_map: {OUTPUT0: sums}}
    - {model_name: math, input_map: {INPUT0: a, INPUT1: b}, output_map: {OUTPUT0: sum, OUTPUT1: difference}}
input: [{name: b}, {name: a}]
output: [{name: sums}, {name: difference}]
)";

std::string identity(int width, const std::string& more = "") {
  return R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [-1, )" +
         std::to_string(width) + "]}]" + more + "}";
}

class Ensemble : public RepositoryFolder {
 protected:
  // What a caller sees.
  struct Answer {
    Status status;
    std::vector<std::vector<float>> outputs;
    schedule::Timing timing;
  };

  Result<std::shared_ptr<Engine>> make_engine() const override {
    EngineOptions options;
    options.threads = 2;
    return make_scripted_engine(options);
  }

  void write_example() const {
    write("all/model.yaml", kEnsemble);
    write("math/1/model.test", kAddSub);
    write("twice/1/model.test", kRepeat);
  }

  std::string refusal(const std::string& yaml) const {
    write("all/model.yaml", yaml);
    const auto repository = DeployableRepository::open(config_, engine_, nullptr);
    EXPECT_FALSE(repository.ok());
    return repository.status().message();
  }

  // Rows of two columns.
  static TensorView rows(const std::vector<float>& values) {
    TensorView view;
    const std::array<int64_t, 2> dims = {static_cast<int64_t>(values.size()) / 2, 2};
    view.shape = Shape(dims);
    view.data = std::as_bytes(std::span(values));
    return view;
  }
  static Answer run(const ModelVersion& version, std::vector<TensorView> inputs,
                    schedule::Request request = {}) {
    std::promise<Answer> promise;
    request.inputs = inputs;
    request.done = [&](const schedule::Outcome& outcome) {
      Answer answer{outcome.status, {}, outcome.timing};
      for (const TensorView& output : outcome.outputs) {
        answer.outputs.emplace_back(output.as<float>().begin(), output.as<float>().end());
      }
      promise.set_value(std::move(answer));
    };
    version.queue->submit(std::move(request));
    return promise.get_future().get();
  }
};

TEST_F(Ensemble, GoesThroughItsStepsWhateverTheirOrder) {
  write_example();
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  EXPECT_EQ(all->version, 1);
  const ModelInfo& info = all->model->info();
  EXPECT_EQ(info.format, "ensemble");
  EXPECT_TRUE(info.batchable);
  EXPECT_EQ(info.inputs[0].name, "b");
  EXPECT_EQ(info.outputs[0].name, "sums");
  EXPECT_EQ(info.outputs[0].shape.to_string(), "[?,4]");
  const std::vector<float> a = {1, 2, 3, 4};
  const std::vector<float> b = {10, 20, 30, 40};
  for (const bool here : {false, true}) {
    schedule::Request request;
    request.run_here = here;
    const Answer answer = run(*all, {rows(b), rows(a)}, std::move(request));
    ASSERT_TRUE(answer.status.ok()) << answer.status.to_string();
    EXPECT_THAT(answer.outputs[0], ElementsAre(11, 22, 11, 22, 33, 44, 33, 44));
    EXPECT_THAT(answer.outputs[1], ElementsAre(-9, -18, -27, -36));
    EXPECT_EQ(answer.timing.batch_size, 2);
  }
  const auto statistics = all->queue->statistics();
  EXPECT_EQ(statistics.execution_count, 2U);
  EXPECT_EQ(statistics.inference_count, 4U);
  EXPECT_EQ(statistics.success.count, 2U);
  EXPECT_EQ((*repository->find("math", 0))->queue->statistics().execution_count, 2U);
}

// Each of many has numbers of its own, and they run together in the steps' batches.
TEST_F(Ensemble, ManyAtOnceGetTheirOwnAnswers) {
  write_example();
  for (const char* part : {"math", "twice"}) {
    write(std::string(part) + "/model.yaml", "max_batch: 8\ninstances: 2\nmax_delay_us: 200\n");
  }
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  threads.reserve(6);
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const auto x = static_cast<float>(t * 1000 + i);
        const std::vector<float> a = {x, x};
        const std::vector<float> b = {1, 2};
        const Answer answer = run(*all, {rows(b), rows(a)});
        const std::vector<std::vector<float>> expected = {{x + 1, x + 2, x + 1, x + 2},
                                                          {x - 1, x - 2}};
        if (answer.outputs != expected) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(all->queue->statistics().success.count, 600U);
}

// Either may be the last: what the other gave is copied while this one runs.
TEST_F(Ensemble, BranchesMeetAtTheEnd) {
  write("left/1/model.test", identity(2, R"(, "run_us": 2000)"));
  write("right/1/model.test", identity(2, R"(, "run_us": 2000)"));
  write("all/model.yaml", R"(
ensemble_scheduling:
  step:
    - {model_name: left, input_map: {INPUT0: x}, output_map: {OUTPUT0: l}}
    - {model_name: right, input_map: {INPUT0: x}, output_map: {OUTPUT0: r}}
)");
  const auto repository = open();
  for (int i = 0; i < 50; ++i) {
    const auto value = static_cast<float>(i);
    const std::vector<float> x = {value, -value};
    const Answer answer = run(**repository->find("all", 0), {rows(x)});
    ASSERT_TRUE(answer.status.ok()) << answer.status.to_string();
    EXPECT_THAT(answer.outputs,
                ElementsAre(ElementsAre(value, -value), ElementsAre(value, -value)));
    EXPECT_GE(answer.timing.compute, 4'000'000) << "of both";
  }
}

TEST_F(Ensemble, AFailureIsAnsweredOnceAndWithItsCause) {
  write_example();
  write(
      "twice/1/model.test",
      R"({"backend": "fail", "message": "on fire", "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]})");
  write("all/model.yaml", R"(
ensemble_scheduling:
  step:
    - {model_name: twice, input_map: {INPUT0: a}, output_map: {OUTPUT0: never}}
    - {model_name: math, input_map: {INPUT0: a, INPUT1: b}, output_map: {OUTPUT0: sum}}
    - {model_name: math, input_map: {INPUT0: sum, INPUT1: never}, output_map: {OUTPUT0: last}}
)");
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  const std::vector<float> x = {7, 8};
  for (int i = 0; i < 50; ++i) {
    const Answer answer = run(*all, {rows(x), rows(x)});
    EXPECT_THAT(answer.status.message(), HasSubstr("on fire"));
  }
  EXPECT_EQ(all->queue->statistics().fail.count, 50U);
  EXPECT_EQ(all->queue->statistics().success.count, 0U);
}

TEST_F(Ensemble, WrongInputsAreRefusedInItsOwnTerms) {
  write_example();
  const auto repository = open();
  const std::vector<float> x = {7, 8};
  const Answer answer = run(**repository->find("all", 0), {rows(x)});
  EXPECT_EQ(answer.status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ((*repository->find("all", 0))->queue->statistics().count(schedule::Refusal::kInvalid),
            1U);
}

TEST_F(Ensemble, DeadlinesAndLimitsHoldForIt) {
  write("slow/1/model.test", identity(2, R"(, "run_us": 300000)"));
  write("all/model.yaml", R"(
max_queue: 2
ensemble_scheduling: {step: [{model_name: slow, input_map: {INPUT0: x}, output_map: {OUTPUT0: y}}]}
)");
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  const std::vector<float> x = {7, 8};
  schedule::Request late;
  late.deadline_ns = schedule::now_ns() - 1;
  EXPECT_EQ(run(*all, {rows(x)}, std::move(late)).status.code(), StatusCode::kDeadlineExceeded);
  // It counts for a moment after its answer.
  while (all->queue->statistics().pending > 0) std::this_thread::yield();

  const std::vector<TensorView> inputs = {rows(x)};
  std::vector<std::promise<Status>> answers(3);
  for (auto& answer : answers) {
    schedule::Request request;
    request.inputs = inputs;
    request.done = [&](const schedule::Outcome& o) { answer.set_value(o.status); };
    all->queue->submit(std::move(request));
  }
  EXPECT_EQ(answers[2].get_future().get().code(), StatusCode::kResourceExhausted);
  all->queue->close();  // finishes what was accepted
  EXPECT_TRUE(answers[0].get_future().get().ok());
  EXPECT_TRUE(answers[1].get_future().get().ok());
  EXPECT_EQ(run(*all, {rows(x)}).status.code(), StatusCode::kUnavailable);
}

TEST_F(Ensemble, SequencesGoOnInItsSteps) {
  write("sum/1/model.test",
        R"({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [1, 2]}]})");
  write("all/model.yaml", R"(
ensemble_scheduling: {step: [{model_name: sum, input_map: {INPUT0: x}, output_map: {OUTPUT0: y}}]}
)");
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  const std::vector<float> x = {1, 2};
  for (int i = 1; i <= 3; ++i) {
    schedule::Request request;
    request.sequence = {"s", i == 1, i == 3};
    const Answer answer = run(*all, {rows(x)}, std::move(request));
    ASSERT_TRUE(answer.status.ok()) << answer.status.to_string();
    EXPECT_THAT(answer.outputs[0],
                ElementsAre(1.0F * static_cast<float>(i), 2.0F * static_cast<float>(i)));
  }
}

TEST_F(Ensemble, FollowsModelsThatAreLoadedAnew) {
  write_example();
  const auto repository = open();
  const auto all = *repository->find("all", 0);
  const std::vector<float> a = {1, 2};
  const auto sums = [&] { return run(*all, {rows(a), rows(a)}); };
  EXPECT_THAT(sums().outputs[0], ElementsAre(2, 4, 2, 4));
  write("twice/2/model.test", kRepeat);
  ASSERT_TRUE(load(*repository, "twice").ok());
  EXPECT_THAT(sums().outputs[0], ElementsAre(2, 4, 2, 4));
  EXPECT_EQ((*repository->find("twice", 0))->queue->statistics().execution_count, 1U);
  // Gives something else.
  write("twice/3/model.test", identity(2));
  ASSERT_TRUE(load(*repository, "twice").ok());
  EXPECT_EQ(sums().status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(sums().status.message(), HasSubstr("load it again"));
  ASSERT_TRUE(load(*repository, "all").ok());
  const Answer renewed = run(**repository->find("all", 0), {rows(a), rows(a)});
  EXPECT_THAT(renewed.outputs[0], ElementsAre(2, 4));
}

TEST_F(Ensemble, LoadsItsModelsAndKeepsThem) {
  config_.load_all = false;
  config_.serve.resize(1);
  config_.serve[0].name = "all";
  write_example();
  const auto repository = open();
  EXPECT_TRUE(repository->find("math", 0).ok());
  const Status refused = unload(*repository, "math");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("'all'"));
  EXPECT_TRUE(unload(*repository, "all").ok());
  EXPECT_TRUE(unload(*repository, "math").ok());
  // Comes back with them.
  ASSERT_TRUE(load(*repository, "all").ok());
  EXPECT_TRUE(repository->find("math", 0).ok());
}

TEST_F(Ensemble, GoesWithItsModelsWhereNobodyElseNeedsThem) {
  write_example();
  const std::string outer = R"(
ensemble_scheduling:
  step:
    - {model_name: all, input_map: {a: x, b: y}, output_map: {sums: z}}
)";
  write("outer/model.yaml", outer);
  write("beside/model.yaml", R"(
ensemble_scheduling:
  step:
    - {model_name: twice, input_map: {INPUT0: x}, output_map: {OUTPUT0: y}}
)");
  const auto repository = open();
  ASSERT_TRUE(repository->find("outer", 0).ok() && repository->find("beside", 0).ok());
  EXPECT_EQ(unload(*repository, "all", true).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(repository->find("math", 0).ok()) << "nothing of what is needed goes";
  EXPECT_TRUE(unload(*repository, "outer", true).ok());
  EXPECT_FALSE(repository->find("all", 0).ok());
  EXPECT_FALSE(repository->find("math", 0).ok()) << "models of models";
  EXPECT_TRUE(repository->find("twice", 0).ok()) << "another ensemble has it";
  const auto pipeline = repository->depend("twice", "pipeline 'door'");
  EXPECT_TRUE(unload(*repository, "beside", true).ok());
  EXPECT_TRUE(repository->find("twice", 0).ok()) << "a pipeline has it";
}

TEST_F(Ensemble, OfEnsemblesButNotOfItself) {
  write_example();
  write("outer/model.yaml", R"(
ensemble_scheduling:
  step:
    - {model_name: all, input_map: {a: x, b: y}, output_map: {sums: z}}
)");
  const auto repository = open();
  const std::vector<float> a = {1, 2};
  const Answer answer = run(**repository->find("outer", 0), {rows(a), rows(a)});
  EXPECT_THAT(answer.outputs, ElementsAre(ElementsAre(2, 4, 2, 4)));
  write("all/model.yaml", R"(
ensemble_scheduling: {step: [{model_name: outer, input_map: {x: x, y: y}, output_map: {z: z}}]}
)");
  const Status circle = load(*repository, "all");
  EXPECT_EQ(circle.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(circle.message(), HasSubstr("cannot be a part of itself"));
  EXPECT_THAT(DeployableRepository::open(config_, engine_, nullptr).status().message(),
              HasSubstr("cannot be a part of itself"));
}

TEST_F(Ensemble, MistakesAreNamedWithTheirPlace) {
  write_example();
  const auto with_steps = [](const std::string& steps) {
    return "ensemble_scheduling:\n  step:\n" + steps;
  };
  const std::string math =
      "    - {model_name: math, input_map: {INPUT0: a, INPUT1: b}, output_map: {OUTPUT0: sum}}\n";
  EXPECT_THAT(refusal(with_steps("    - {model_name: nope, input_map: {}, output_map: {}}\n")),
              HasSubstr("model.yaml:3:7: model 'nope': the repository has no model 'nope'"));
  EXPECT_THAT(
      refusal(with_steps("    - {model_name: math, input_map: {IN: a}, output_map: {}}\n")),
      HasSubstr(
          "model.yaml:3:7: step 1 (math): the model has no input 'IN'; it has INPUT0, INPUT1"));
  EXPECT_THAT(
      refusal(with_steps("    - {model_name: math, input_map: {INPUT0: a}, output_map: {}}\n")),
      HasSubstr("'input_map' does not say where input 'INPUT1' comes from"));
  EXPECT_THAT(refusal(with_steps(math + math)), HasSubstr("tensor 'sum' is written by two steps"));
  EXPECT_THAT(refusal(with_steps("    - {model_name: math, input_map: {INPUT0: a, INPUT1: loop}, "
                                 "output_map: {OUTPUT0: loop}}\n")),
              HasSubstr("no output"));
  EXPECT_THAT(refusal(with_steps("    - {model_name: math, input_map: {INPUT0: a, INPUT1: loop}, "
                                 "output_map: {OUTPUT0: loop, OUTPUT1: end}}\n")),
              HasSubstr("steps form a circle"));
  EXPECT_THAT(refusal(with_steps(math) + "input: [{name: a}]\n"),
              HasSubstr("tensor 'b' is written by no step and is no input of the ensemble"));
  EXPECT_THAT(refusal(with_steps(math) + "output: [{name: other}]\n"),
              HasSubstr("output 'other' of the ensemble is written by no step"));
  EXPECT_THAT(refusal("ensemble_scheduling: {}\n"), HasSubstr("'step' must be a list"));
  write("twice/1/model.test", identity(3));
  EXPECT_THAT(refusal(kEnsemble),
              HasSubstr("input 'INPUT0' is FP32 [?,3], tensor 'sum' is FP32 [?,2]"));
}

}  // namespace
}  // namespace inferd::models
