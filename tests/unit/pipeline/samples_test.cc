// SPDX-License-Identifier: Apache-2.0
//
// Sound and measurements on their way through stages and models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <numeric>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/samples/windows.h"
#include "daemon/pipeline/stages/expression.h"
#include "daemon/pipeline/stages/model_input.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/stage_fixture.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMs = 1'000'000;

// The rows `first`, `first` + 1, ... of two columns, at 100 a second.
Frame rows(int first, int count, uint64_t sequence) {
  Frame frame;
  frame.samples.rows = count;
  frame.samples.columns = 2;
  frame.samples.rate_hz = 100;
  for (int r = first; r < first + count; ++r) {
    frame.samples.values.push_back(static_cast<float>(r));
    frame.samples.values.push_back(static_cast<float>(-r));
  }
  frame.sequence = sequence;
  frame.capture_ns = (first + count - 1) * 10 * kMs;
  return frame;
}

// The first column of each window that is ready, and when it was captured.
std::vector<std::pair<std::vector<float>, int64_t>> taken(Windows& windows) {
  std::vector<std::pair<std::vector<float>, int64_t>> all;
  Frame window;
  while (windows.ready()) {
    windows.take(window);
    std::vector<float> column;
    for (size_t i = 0; i < window.samples.values.size(); i += 2) {
      column.push_back(window.samples.values[i]);
      EXPECT_EQ(window.samples.values[i + 1], -window.samples.values[i]);
    }
    EXPECT_EQ(column.size(), static_cast<size_t>(window.samples.rows));
    all.emplace_back(column, window.capture_ns / kMs);
  }
  return all;
}

TEST(Windows, OverlapAndAreCapturedWhenTheirLastRowWas) {
  Windows windows({.rows = 4, .hop_rows = 2});
  ASSERT_TRUE(windows.add(rows(0, 3, 1)).ok());
  EXPECT_FALSE(windows.ready());
  ASSERT_TRUE(windows.add(rows(3, 6, 2)).ok());
  const auto all = taken(windows);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_THAT(all[0].first, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(all[0].second, 30);
  EXPECT_THAT(all[1].first, ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(all[1].second, 50);
  EXPECT_THAT(all[2].first, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(all[2].second, 70);
}

TEST(Windows, AHopMayBeLongerThanAWindowAndThanAFrame) {
  Windows windows({.rows = 2, .hop_rows = 7});
  std::vector<float> firsts;
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(windows.add(rows(static_cast<int>(3 * i), 3, i + 1)).ok());
    for (const auto& [values, at] : taken(windows)) {
      EXPECT_EQ(values[1], values[0] + 1);
      EXPECT_EQ(at, 10 * static_cast<int64_t>(values[1]));
      firsts.push_back(values[0]);
    }
  }
  EXPECT_THAT(firsts, ElementsAre(0, 7, 14, 21, 28));
}

TEST(Windows, BySecondsFollowTheRate) {
  Windows windows({.seconds = 0.05, .hop_seconds = 0.02});
  ASSERT_TRUE(windows.add(rows(0, 8, 1)).ok());
  const auto all = taken(windows);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[1].first, ElementsAre(2, 3, 4, 5, 6));
}

TEST(Windows, DoNotReachOverAGap) {
  Windows windows({.rows = 4});
  ASSERT_TRUE(windows.add(rows(0, 3, 1)).ok());
  ASSERT_TRUE(windows.add(rows(30, 5, 3)).ok()) << "frame 2 is missing";
  const auto all = taken(windows);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(all[0].first, ElementsAre(30, 31, 32, 33));
}

TEST(Windows, SayWhatTheyCannotBeMadeOf) {
  Frame frame = rows(0, 3, 1);
  EXPECT_THAT(Windows({.rows = 3}).add(Frame{}).message(), HasSubstr("no samples"));
  EXPECT_THAT(Windows({.seconds = 1e9}).add(frame).message(), HasSubstr("too short or too long"));
  EXPECT_THAT(Windows({.seconds = 1e-9}).add(frame).message(), HasSubstr("too short or too long"));
  frame.samples.rate_hz = 0;
  EXPECT_THAT(Windows({.seconds = 1}).add(frame).message(), HasSubstr("say how many 'rows'"));
  EXPECT_TRUE(Windows({.rows = 3}).add(frame).ok());
}

// One stage, or several, outside of a pipeline.
TEST_F(StageTest, SpectrumHasAPeakWhereTheToneIs) {
  const auto spectrum = stage("spectrum", {{"frame", "64"}, {"hop", "32"}});
  std::vector<float> tone(128);
  for (size_t n = 0; n < tone.size(); ++n)
    tone[n] = static_cast<float>(std::cos(2 * std::numbers::pi * 8 * static_cast<double>(n) / 64));
  show(tone, 6400);
  frame_.sequence = 7;
  ASSERT_TRUE(spectrum->process(work_).ok());
  const Samples& out = work_.frame->samples;
  EXPECT_EQ(work_.frame->sequence, 7U);
  ASSERT_EQ(out.rows, 3);
  ASSERT_EQ(out.columns, 33);
  EXPECT_DOUBLE_EQ(out.rate_hz, 200);
  for (int r = 0; r < out.rows; ++r) {
    const auto row = out.values.begin() + r * out.columns;
    EXPECT_EQ(std::max_element(row, row + 33) - row, 8);
    EXPECT_NEAR(row[8], 16, 1e-4) << "half the window's sum";
  }
}

TEST_F(StageTest, SpectraOfColumnsLieSideBySide) {
  const auto spectrum = stage("spectrum", {{"frame", "4"}, {"window", "rectangle"}});
  frame_.samples = {4, 2, 0, {1, 0, 1, 0, 1, 0, 1, 0}, nullptr};
  work_.frame = &frame_;
  ASSERT_TRUE(spectrum->process(work_).ok());
  EXPECT_THAT(work_.frame->samples.values, ElementsAre(4, 0, 0, 0, 0, 0));
}

TEST_F(StageTest, FeaturesRefuseWhatTheyWereNotMadeFor) {
  const auto mfcc = stage("mfcc", {});
  show(std::vector<float>(16000), 8000);
  EXPECT_THAT(mfcc->process(work_).message(), HasSubstr("come at 8000 a second"));
  show(std::vector<float>(100), 16000);
  EXPECT_THAT(mfcc->process(work_).message(), HasSubstr("shorter than a frame of 480"));
  EXPECT_THAT(refusal("mfcc", {{"bands", "300"}}), HasSubstr("p.yaml:3:5: 'mfcc'"));
  EXPECT_THAT(refusal("log_mel", {{"frame", "400"}, {"frame_ms", "30"}}), HasSubstr("either"));
  context_.signal.rows = 100;
  EXPECT_THAT(refusal("mfcc", {}), HasSubstr("the window before has 100"));
  context_.signal.samples = false;
  EXPECT_THAT(refusal("spectrum", {}), HasSubstr("needs samples"));
}

TEST_F(StageTest, AWindowIsEitherOfRowsOrOfTime) {
  EXPECT_THAT(refusal("window", {}), HasSubstr("either 'rows' or 'ms'"));
  EXPECT_THAT(refusal("window", {{"rows", "3"}, {"ms", "3"}}), HasSubstr("either 'rows' or 'ms'"));
  EXPECT_THAT(refusal("window", {{"rows", "3"}, {"hop", "3"}, {"hop_ms", "3"}}),
              HasSubstr("either a 'hop'"));
}

TEST_F(StageTest, StandardizeTakesOneNumberOrOneForEachColumn) {
  const auto one = stage("standardize", {{"mean", "1"}, {"std", "2"}});
  show({1, 3, -1});
  ASSERT_TRUE(one->process(work_).ok());
  EXPECT_THAT(work_.frame->samples.values, ElementsAre(0, 1, -1));
  EXPECT_THAT(frame_.samples.values, ElementsAre(1, 3, -1)) << "others may read it";
  config::NodeConfig two = node("standardize");
  two.entries["mean"] = {{"1", "10"}, true, {"p.yaml", 4, 7}};
  auto made = make_stage(two, context_);
  ASSERT_TRUE(made.ok());
  show({1, 2, 3});
  EXPECT_THAT((*made)->process(work_).message(), HasSubstr("for 2 columns, and 1 come"));
  frame_.samples = {2, 2, 0, {1, 10, 2, 20}, nullptr};
  ASSERT_TRUE((*made)->process(work_).ok());
  EXPECT_THAT(work_.frame->samples.values, ElementsAre(0, 0, 1, 10));
  EXPECT_THAT(refusal("standardize", {{"std", "0"}}), HasSubstr("'std' of 0"));
}

TEST_F(StageTest, StatisticsOfEachColumn) {
  auto all = stage("statistics", {});
  show({3, -4, 1, 0});
  ASSERT_TRUE(all->process(work_).ok());
  const std::vector<std::pair<std::string, double>> expected = {
      {"mean", 0}, {"std", std::sqrt(6.5)}, {"rms", std::sqrt(6.5)}, {"min", -4}, {"max", 3},
      {"range", 7}};
  ASSERT_EQ(work_.values.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(work_.values[i].name, expected[i].first);
    EXPECT_DOUBLE_EQ(work_.values[i].value, expected[i].second);
  }
  work_.values.clear();
  auto named = stage("statistics", {{"of", "max"}});
  frame_.samples = {1,
                    2,
                    0,
                    {5, 6},
                    std::make_shared<std::vector<std::string>>(std::vector<std::string>{"x", "y"})};
  ASSERT_TRUE(named->process(work_).ok());
  ASSERT_EQ(work_.values.size(), 2U);
  EXPECT_EQ(work_.values[1].name, "y.max");
  EXPECT_EQ(work_.values[1].value, 6);
  EXPECT_THAT(refusal("statistics", {{"of", "median"}}), HasSubstr("mean, std, rms"));
}

TEST(Expressions, ComputeWithAllThatIsKnown) {
  Frame frame;
  frame.samples = {
      2,
      2,
      0,
      {1, 2, 3, 4},
      std::make_shared<std::vector<std::string>>(std::vector<std::string>{"x", "temp.in"})};
  Work work;
  work.frame = &frame;
  work.values = {{"level.rms", 0.5}, {"x2", 7}};
  work.detections = {
      {{}, 0.9F, 0, "person", {}}, {{}, 0.6F, 0, "person", {}}, {{}, 0.7F, 1, "cat", {}}};
  work.classes = {{0, 0.25F, "yes"}};
  work.areas = {{0, 0.75F, "road"}};
  work.counts = {{"gate", 0, "person", 3, 1, 2}, {"gate", 1, "cat", 1, 1, 0}};
  const auto of = [&](const std::string& text) {
    auto made = Expression::create(text);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? (*made)->of(work) : -1;
  };
  EXPECT_DOUBLE_EQ(of("level.rms * 2 + x2"), 8);
  EXPECT_DOUBLE_EQ(of("x + temp.in"), 7) << "of the last row";
  EXPECT_DOUBLE_EQ(of("detections"), 3);
  EXPECT_DOUBLE_EQ(of("count(\"person\") >= 2 && !(count(\"dog\") > 0)"), 1);
  EXPECT_FLOAT_EQ(static_cast<float>(of("score(\"person\")")), 0.9F);
  EXPECT_DOUBLE_EQ(of("score(\"yes\")"), 0.25);
  EXPECT_DOUBLE_EQ(of("area(\"road\")"), 0.75);
  EXPECT_DOUBLE_EQ(of("in(\"gate\") - out(\"gate\") + 10 * inside(\"gate\")"), 22);
  EXPECT_DOUBLE_EQ(of("sqrt(x2 + 2) > 2 ? 10 : 20"), 10);
  EXPECT_TRUE(std::isnan(of("missing + 1")));
}

TEST(Expressions, AreReadFromAnewForEachFrame) {
  auto made = Expression::create("count(\"cat\") + level");
  ASSERT_TRUE(made.ok());
  Frame frame;
  Work work;
  work.frame = &frame;
  work.values = {{"level", 1}};
  EXPECT_DOUBLE_EQ((*made)->of(work), 1);
  work.detections = {{{}, 0.9F, 0, "cat", {}}};
  work.values[0].value = 5;
  EXPECT_DOUBLE_EQ((*made)->of(work), 6);
  work.values.clear();
  EXPECT_TRUE(std::isnan((*made)->of(work)));
}

TEST(Expressions, MistakesAreExplained) {
  for (const char* text :
       {"", "1 +", "count(person", "nothing(3)", "count(3)", "1, 2", "\"a\"", "a b", "x = 3 +"}) {
    EXPECT_THAT(Expression::create(text).status().message(), HasSubstr("is no expression")) << text;
  }
  std::string many = "0";
  for (int i = 0; i < 100; ++i) many += "+x" + std::to_string(i);
  EXPECT_THAT(Expression::create(many).status().message(), HasSubstr("too many names"));
  EXPECT_FALSE(Expression::create(std::string(5000, '1')).ok());
}

TEST_F(StageTest, WhenLeavesOutTheRest) {
  const auto when = stage("when", {{"is", "level > 2"}});
  for (const double level : {1., 3., std::nan("")}) {
    work_.frame = &frame_;
    work_.values = {{"level", level}};
    work_.gated = false;
    ASSERT_TRUE(when->process(work_).ok());
    EXPECT_EQ(work_.gated, level != 3);
  }
  work_.values.clear();
  ASSERT_TRUE(when->process(work_).ok());
  EXPECT_TRUE(work_.gated) << "what is not known is no yes";
  EXPECT_THAT(refusal("when", {{"is", "level >"}}), HasSubstr("p.yaml:4:7: 'is': 'level >' is no"));
}

TEST_F(StageTest, ASwitchNeedsAWhileForEachWay) {
  const auto made = stage("switch", {{"name", "speech"},
                                     {"of", "p"},
                                     {"on", "0.5"},
                                     {"off", "0.3"},
                                     {"on_ms", "20"},
                                     {"off_ms", "30"}});
  std::string states;
  std::vector<double> levels = {0.6, 0.2, 0.6, 0.6, 0.6, 0.4, 0.2, 0.2, 0.4, 0.2, 0.2, 0.2, 0.2};
  for (size_t i = 0; i < levels.size(); ++i) {
    frame_.capture_ns = static_cast<int64_t>(i) * 10 * kMs;
    work_.frame = &frame_;
    work_.values = {{"p", levels[i]}};
    ASSERT_TRUE(made->process(work_).ok());
    ASSERT_EQ(work_.values.back().name, "speech");
    states += work_.values.back().value == 1 ? '1' : '0';
    EXPECT_FALSE(work_.gated);
  }
  EXPECT_EQ(states, "0001111111100");
}

TEST_F(StageTest, ASwitchMayPassItsChangesOnly) {
  const auto made = stage("switch", {{"name", "s"}, {"of", "p"}, {"on", "1"}, {"pass", "changes"}});
  std::string passed;
  for (const double level : {0., 1., 1., 0., 0., 1.}) {
    work_.frame = &frame_;
    work_.values = {{"p", level}};
    ASSERT_TRUE(made->process(work_).ok());
    passed += work_.gated ? '.' : work_.values.back().value == 1 ? '1' : '0';
  }
  EXPECT_EQ(passed, ".1.0.1");
}

TEST(Windows, MayBeginWithZeros) {
  Windows windows({.rows = 4, .hop_rows = 3, .lead_rows = 1});
  ASSERT_TRUE(windows.add(rows(1, 7, 1)).ok());
  Frame window;
  windows.take(window);
  EXPECT_THAT(window.samples.values, ElementsAre(0, 0, 1, -1, 2, -2, 3, -3));
  EXPECT_EQ(window.lasted_ns, 30 * kMs);
  windows.take(window);
  EXPECT_THAT(window.samples.values, ElementsAre(3, -3, 4, -4, 5, -5, 6, -6));
  EXPECT_EQ(window.lasted_ns, 60 * kMs);
  EXPECT_FALSE(windows.ready());
  ASSERT_TRUE(windows.add(rows(20, 3, 9)).ok()) << "behind a gap";
  windows.take(window);
  EXPECT_THAT(window.samples.values, ElementsAre(0, 0, 20, -20, 21, -21, 22, -22));
  EXPECT_EQ(window.lasted_ns, 30 * kMs);
}

TEST_F(StageTest, AWordIsRecognizedOnceWhileItIsSaid) {
  config::NodeConfig n = node("recognize", {{"average_ms", "300"},
                                            {"suppress_ms", "500"},
                                            {"min_count", "2"},
                                            {"min_score", "0.6"},
                                            {"pass", "new"}});
  n.entries["ignore"] = {{"silence"}, true, {"p.yaml", 4, 7}};
  auto made = make_stage(n, context_);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  std::string words;
  const auto hear = [&](int from, int to, float silence, float yes) {
    for (int i = from; i < to; ++i) {
      frame_.capture_ns = i * 100 * kMs;
      work_.frame = &frame_;
      work_.clear_results();
      work_.classes = {{0, silence, "silence"}, {1, yes, "yes"}, {2, 1 - silence - yes, "no"}};
      ASSERT_TRUE((*made)->process(work_).ok());
      EXPECT_EQ(work_.gated, work_.text.empty());
      if (!work_.text.empty()) words += work_.text + "@" + std::to_string(i) + " ";
    }
  };
  hear(0, 5, 1, 0);
  hear(5, 15, 0, 1);         // one word, however long
  hear(15, 20, 1, 0);        // a pause
  hear(20, 24, 0, 1);        // the same word again
  hear(24, 30, 0, 0);        // another one
  hear(30, 40, 0.5F, 0.5F);  // nothing that is sure
  EXPECT_EQ(words, "yes@7 yes@22 no@27 ");
}

TEST(ModelInputs, SamplesMustBeAsManyAsTheModelTakes) {
  const media::Preprocess none;
  const auto message = [&](const TensorInfo& input, const Signal& signal) {
    return ModelInput::create(input, none, signal).status().message();
  };
  EXPECT_THAT(message({"x", DType::kFloat32, {1, 49, 10, 1}, {}}, {true, 48, 10, 0}),
              HasSubstr("takes 490 numbers, and 48 rows of 10 come"));
  EXPECT_THAT(message({"x", DType::kInt32, {1, 3}, {}}, {true, 0, 0, 0}),
              HasSubstr("takes no real numbers"));
  EXPECT_THAT(message({"x", DType::kFloat32, {1, 8, 8, 3}, {}}, {}), HasSubstr("'normalize'"));

  auto open = ModelInput::create({"x", DType::kFloat32, {kDynamicDim, kDynamicDim, 4}, {}}, none,
                                 {true, 6, 2, 0});
  ASSERT_TRUE(open.ok()) << open.status().to_string();
  EXPECT_EQ(open->info().shape, Shape({1, 3, 4}));

  auto bytes =
      ModelInput::create({"x", DType::kInt8, {1, 4}, {{0.5F}, {1}, 0}}, none, {true, 0, 0, 0});
  ASSERT_TRUE(bytes.ok()) << bytes.status().to_string();
  Frame frame;
  frame.samples = {2, 2, 0, {-100, 0, 0.75F, 100}, nullptr};
  std::vector<std::byte> tensor;
  TensorView view;
  ASSERT_TRUE(bytes->fill(frame, nullptr, tensor, view).ok());
  EXPECT_EQ(view.data.data(), tensor.data());
  EXPECT_THAT(tensor, ElementsAre(std::byte{0x80}, std::byte{1}, std::byte{3}, std::byte{127}));
  frame.samples.rows = 1;
  EXPECT_THAT(bytes->fill(frame, nullptr, tensor, view).status().message(),
              HasSubstr("other samples than 1 rows of 2"));
}

// Pipelines of files with numbers, and models that compute with them.
class SamplesTest : public ::testing::Test {
 protected:
  // A model of these inputs that gives the sum of each.
  void add_sums(const std::vector<TensorInfo>& inputs) {
    const auto count = static_cast<int64_t>(inputs.size());
    repository_.add(
        "sums", std::make_shared<FakeModel>(
                    inputs, std::vector<TensorInfo>{{"sum", DType::kFloat32, {1, count}, {}}},
                    [count](std::span<const TensorView> views) -> Result<std::vector<FakeTensor>> {
                      std::vector<float> sums;
                      for (const TensorView& view : views) {
                        if (view.dtype == DType::kUInt8) {
                          sums.push_back(static_cast<float>(view.data.size()));
                          continue;
                        }
                        const auto floats = view.as<float>();
                        sums.push_back(std::accumulate(floats.begin(), floats.end(), 0.F));
                      }
                      const auto bytes = std::as_bytes(std::span(sums));
                      return std::vector<FakeTensor>{
                          {DType::kFloat32, {1, count}, {bytes.begin(), bytes.end()}}};
                    }));
  }
  // A source of so many lines "i,2i", some of them in each frame.
  config::NodeConfig lines(int count, int each) {
    std::ofstream file(folder_.file("in.csv"));
    for (int i = 0; i < count; ++i) file << i << ',' << 2 * i << '\n';
    config::NodeConfig n =
        node("lines",
             {{"path", folder_.file("in.csv")}, {"live", "false"}, {"rows", std::to_string(each)}});
    n.entries["columns"] = {{"a", "b"}, true, {"p.yaml", 4, 7}};
    return n;
  }
  PipelineStatus run(const config::PipelineConfig& config) {
    auto made = Pipeline::create(config, repository_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    if (!made.ok()) return {};
    const auto pipeline = std::move(*made);
    pipeline->start();
    while (!pipeline->ended()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return pipeline->status();
  }
  std::string error_of(const config::PipelineConfig& config) {
    return Pipeline::create(config, repository_).status().message();
  }

  FakeRepository repository_;
  const TemporaryFolder folder_;
};

TEST_F(SamplesTest, WindowsGoThroughAModel) {
  add_sums({{"x", DType::kFloat32, {1, 4, 2}, {}}});
  config::PipelineConfig config;
  config.name = "p";
  config.source = lines(20, 10);
  config.stages = {node("window", {{"rows", "4"}, {"hop", "3"}}),
                   node("infer", {{"model", "sums"}}), node("decode_values")};
  config.sinks = {node("csv", {{"path", folder_.file("out.csv")}, {"rows", "values"}})};
  const PipelineStatus status = run(config);
  EXPECT_EQ(status.last_error, "");
  EXPECT_EQ(status.captured, 2U);
  EXPECT_EQ(status.processed, 6U) << "windows at 0, 3, 6, 9, 12, 15 of 20 rows";
  std::ifstream file(folder_.file("out.csv"));
  std::vector<double> sums;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) sums.push_back(std::stod(line.substr(line.rfind(',') + 1)));
  // Of rows i to i + 3: (4 i + 6) * 3.
  EXPECT_THAT(sums, ElementsAre(18, 54, 90, 126, 162, 198));
}

TEST_F(SamplesTest, ShapesAreCheckedBeforeAnythingRuns) {
  add_sums({{"x", DType::kFloat32, {1, 49, 10, 1}, {}}});
  config::PipelineConfig config;
  config.name = "p";
  config.source = node("wav", {{"path", "x.wav"}});
  config.stages = {node("window", {{"ms", "500"}}), node("mfcc"),
                   node("infer", {{"model", "sums"}})};
  EXPECT_THAT(error_of(config), HasSubstr("takes 490 numbers, and 24 rows of 10 come"));
  config.stages[0] = node("window", {{"ms", "1000"}});
  EXPECT_EQ(error_of(config), "");
  std::swap(config.stages[0], config.stages[1]);
  EXPECT_THAT(error_of(config), HasSubstr("'window' makes several frames of one"));
}

TEST_F(SamplesTest, AJoinFeedsAModelOfSeveralInputs) {
  add_sums({{"picture", DType::kUInt8, {1, 8, 8, 3}, {}}, {"motion", DType::kFloat32, {1, 2}, {}}});
  config::PipelineNode camera{.name = "camera",
                              .source = node("test_pattern", {{"frames", "3"}, {"live", "false"}})};
  config::PipelineNode motion{.name = "motion", .source = lines(1, 1)};
  config::PipelineNode both{.name = "both",
                            .from = {"camera", "motion"},
                            .stages = {node("infer", {{"model", "sums"}}), node("decode_values")},
                            .queue = 10,
                            .join = config::JoinConfig{60'000, 60'000}};
  config::PipelineConfig config;
  config.name = "p";
  config.nodes = {camera, motion, both};
  for (const bool turned : {false, true}) {
    if (turned) {
      config.nodes[2].from = {"motion", "camera"};
      config.nodes[2].stages[0].entries["inputs"] = {{"motion", "picture"}, true, {"p.yaml", 4, 7}};
    }
    config.nodes[2].sinks = {
        node("csv", {{"path", folder_.file(turned ? "t.csv" : "o.csv")}, {"rows", "values"}})};
    const PipelineStatus status = run(config);
    EXPECT_EQ(status.last_error, "");
    EXPECT_EQ(status.processed, turned ? 1U : 3U);
    std::ifstream file(folder_.file(turned ? "t.csv" : "o.csv"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_THAT(text, HasSubstr("sum.0,192")) << text;
    EXPECT_THAT(text, HasSubstr("sum.1,0")) << text;
  }
  config.nodes[2].stages[0].entries["inputs"] = {{"motion", "x"}, true, {"p.yaml", 4, 7}};
  EXPECT_THAT(error_of(config), HasSubstr("'picture' is missing"));
  config.nodes[2].join.reset();
  config.nodes[2].from = {"camera"};
  config.nodes.erase(config.nodes.begin() + 1);
  EXPECT_THAT(error_of(config), HasSubstr("it has 2 inputs, and 1 come"));
}

TEST_F(SamplesTest, AnomalyIsHowBadlyAModelGivesItsInputBack) {
  repository_.add(
      "same",
      std::make_shared<FakeModel>(
          std::vector<TensorInfo>{{"x", DType::kFloat32, {1, 2}, {}}},
          std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 2}, {}}},
          [](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
            return std::vector<FakeTensor>{{DType::kFloat32, {1, 2}, std::vector<std::byte>(8)}};
          }));
  config::PipelineConfig config;
  config.name = "p";
  config.source = lines(3, 1);
  config.stages = {node("infer", {{"model", "same"}}), node("anomaly", {{"smooth", "2"}}),
                   node("when", {{"is", "anomaly > 1"}})};
  config.sinks = {node("csv", {{"path", folder_.file("out.csv")}, {"rows", "values"}})};
  const PipelineStatus status = run(config);
  EXPECT_EQ(status.last_error, "");
  EXPECT_EQ(status.graph[1].drops[static_cast<size_t>(DropReason::kGated)], 1U);
  std::ifstream file(folder_.file("out.csv"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  // Squares of (0, 0), (1, 2), (2, 4): 0, 2.5, 10; of two each: 0, 1.25, 6.25.
  EXPECT_THAT(text, HasSubstr("anomaly,1.25")) << text;
  EXPECT_THAT(text, HasSubstr("anomaly,6.25")) << text;
}

}  // namespace
}  // namespace inferd::pipeline
