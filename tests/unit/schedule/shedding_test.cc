// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "daemon/schedule/shedding_queue.h"
#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

using ::testing::HasSubstr;

// y = x for one number x.
class SheddingTest : public ::testing::Test {
 protected:
  void make(const QueueOptions& options, bool has_state = false) {
    const std::vector<TensorInfo> x = {{"x", DType::kFloat32, {1}, {}}};
    auto model = std::make_shared<FakeModel>(
        x, x, [](std::span<const TensorView> inputs) -> Result<std::vector<FakeTensor>> {
          const auto bytes = inputs[0].data;
          return std::vector<FakeTensor>{{DType::kFloat32, {1}, {bytes.begin(), bytes.end()}}};
        });
    if (has_state) model->add_state(x[0]);
    queue_ = make_shedding_queue(*ModelQueue::create(model, "copy", options), shedding_);
  }
  Status ask(int priority, const Sequence& sequence = {}) {
    const float value = 1;
    const TensorView view = {DType::kFloat32, {1}, std::as_bytes(std::span(&value, 1))};
    std::promise<Status> status;
    Request request;
    request.inputs = {&view, 1};
    request.priority = priority;
    request.sequence = sequence;
    request.done = [&](const Outcome& outcome) { status.set_value(outcome.status); };
    queue_->submit(std::move(request));
    return status.get_future().get();
  }

  const std::shared_ptr<Shedding> shedding_ = std::make_shared<Shedding>();
  std::unique_ptr<ModelQueue> queue_;
};

TEST_F(SheddingTest, RefusesWhatIsOfLittleImportanceUntilItIsOver) {
  make({});
  EXPECT_TRUE(ask(7).ok());
  shedding_->set(3, "zone cpu is at 90.0 C");
  EXPECT_TRUE(ask(2).ok());
  const Status refused = ask(3);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.message(),
            "the governor refuses requests of priority 3 and of larger numbers, because zone cpu "
            "is at 90.0 C; this one has priority 3: try again later, or with a smaller number if "
            "it is urgent");
  EXPECT_EQ(ask(4).code(), StatusCode::kResourceExhausted);
  shedding_->set(0, "");
  EXPECT_TRUE(ask(4).ok());
  const QueueStatistics statistics = queue_->statistics();
  EXPECT_EQ(statistics.count(Refusal::kShed), 2U);
  EXPECT_EQ(statistics.fail.count, 2U);
  EXPECT_EQ(statistics.success.count, 3U);
}

TEST_F(SheddingTest, WhoNamesNoPriorityHasThatOfTheModel) {
  shedding_->set(2, "it is hot");
  make({});
  EXPECT_TRUE(ask(0).ok()) << "a model with one level";
  QueueOptions levels;
  levels.priority_levels = 3;
  make(levels);
  EXPECT_THAT(ask(0).message(), HasSubstr("this one has priority 3"));
  levels.default_priority = 1;
  make(levels);
  EXPECT_TRUE(ask(0).ok());
}

TEST_F(SheddingTest, RequestsOfASequenceHaveTheModelsPriority) {
  shedding_->set(2, "it is hot");
  make({}, true);
  EXPECT_TRUE(ask(5, {.id = "s", .start = true}).ok());
  EXPECT_FALSE(ask(5).ok()) << "of its own";
}

}  // namespace
}  // namespace inferd::schedule
