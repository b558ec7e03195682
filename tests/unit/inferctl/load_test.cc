// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "clients/inferctl/classes.h"
#include "clients/inferctl/load_generator.h"

namespace inferd::ctl {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(LatencyHistogram, IsWithinItsPrecisionOfSortedValues) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> durations(14, 2);
  std::vector<int64_t> values(100'000);
  LatencyHistogram histogram;
  for (int64_t& value : values) {
    value = static_cast<int64_t>(durations(random));
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.001, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<size_t>(std::ceil(percent / 100 * 100'000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    const auto told = static_cast<double>(histogram.percentile(percent));
    EXPECT_GE(told, exact) << percent;
    EXPECT_LE(told, exact * 1.008 + 1) << percent;
  }
  EXPECT_EQ(histogram.max(), values.back());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  EXPECT_NEAR(histogram.mean(), sum / 100'000, 1e-6 * sum / 100'000);
}

TEST(LatencyHistogram, SmallNumbersAreExactAndTheLargestFits) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(50), 0);
  for (int64_t value = 0; value < 200; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile(50), 99);
  EXPECT_EQ(histogram.percentile(100), 199);
  histogram.record(-5);
  EXPECT_EQ(histogram.percentile(0.1), 0);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.percentile(100), INT64_MAX);
  EXPECT_EQ(histogram.count(), 202U);
}

// Answers in one thread, each request a while after the one before: a server with a queue.
class Server {
 public:
  explicit Server(std::chrono::milliseconds pace) : pace_(pace) {}
  ~Server() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  SendRequest sender() {
    return [this](std::function<void(const Status&)> done) {
      const std::lock_guard lock(mutex_);
      sent_.push_back(Clock::now());
      waiting_.push_back(std::move(done));
      most_ = std::max(most_, waiting_.size());
      changed_.notify_all();
    };
  }
  size_t most_waiting() const { return most_; }
  const std::vector<Clock::time_point>& sent() const { return sent_; }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      lock.unlock();
      std::this_thread::sleep_for(pace_);
      lock.lock();
      const auto done = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
      lock.unlock();
      done(ok_status());
      lock.lock();
    }
  }

  const std::chrono::milliseconds pace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void(const Status&)>> waiting_;
  std::vector<Clock::time_point> sent_;
  size_t most_ = 0;
  bool ending_ = false;
  std::thread thread_{[this] { work(); }};
};

void no_progress(double) {}

TEST(LoadGenerator, AClosedLoopKeepsSoManyOnTheirWay) {
  Server server(2ms);
  const LoadPlan plan{.concurrency = 4, .duration = 200ms};
  const LoadReport report = generate_load(plan, server.sender(), no_progress);
  EXPECT_EQ(server.most_waiting(), 4U);
  EXPECT_EQ(report.sent, report.latency.count());
  EXPECT_EQ(report.unsent, 0U);
  EXPECT_GE(report.sent, 8U);
  EXPECT_LE(report.sent, 104U);  // 2 ms each, and 4 at the end
  // Each waits for the three before it.
  EXPECT_GE(report.latency.percentile(50), 5'000'000);
  EXPECT_GE(report.seconds, 0.2);
}

TEST(LoadGenerator, AnOpenLoopSendsAtItsRateWhateverTheServerDoes) {
  Server server(0ms);
  const LoadPlan plan{.concurrency = 1000, .rate = 200, .duration = 500ms};
  const auto begin = Clock::now();
  const LoadReport report = generate_load(plan, server.sender(), no_progress);
  EXPECT_EQ(report.sent, 100U);
  // None comes before it is due.
  const auto& sent = server.sent();
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_GE(sent[i], begin + i * 5ms - 1us) << i;
}

TEST(LoadGenerator, LatencyCountsFromWhenARequestWasDue) {
  // 100 a second are due and 50 can be done, one at a time: the last ones wait for half of the
  // time.
  Server server(20ms);
  const LoadPlan plan{.concurrency = 1, .rate = 100, .duration = 1s};
  const LoadReport report = generate_load(plan, server.sender(), no_progress);
  EXPECT_EQ(server.most_waiting(), 1U);
  EXPECT_GE(report.latency.max(), 400'000'000);
  EXPECT_GE(report.unsent, 40U);
  EXPECT_EQ(report.sent + report.unsent, 100U);
}

TEST(LoadGenerator, PoissonPausesDifferAndKeepTheRate) {
  Server server(0ms);
  const LoadPlan plan{.concurrency = 1000, .rate = 1000, .poisson = true, .duration = 1s};
  const LoadReport report = generate_load(plan, server.sender(), no_progress);
  const auto all = report.sent + report.unsent;
  EXPECT_GT(all, 850U);  // 1000 +- 32
  EXPECT_LT(all, 1150U);
  EXPECT_NE(all, 1000U);
}

TEST(LoadGenerator, ErrorsAreCountedByStatusAndAreNoLatencies) {
  std::atomic<int> number = 0;
  const SendRequest send = [&](const std::function<void(const Status&)>& done) {
    const int n = number++;
    done(n % 4 == 0   ? resource_exhausted("full " + std::to_string(n))
         : n % 4 == 1 ? deadline_exceeded("late")
                      : ok_status());
  };
  const LoadPlan plan{.concurrency = 2, .rate = 400, .duration = 100ms};
  const LoadReport report = generate_load(plan, send, no_progress);
  EXPECT_EQ(report.sent, 40U);
  EXPECT_EQ(report.latency.count(), 20U);
  EXPECT_EQ(report.errors.at(StatusCode::kResourceExhausted), 10U);
  EXPECT_EQ(report.errors.at(StatusCode::kDeadlineExceeded), 10U);
  EXPECT_EQ(report.said.at(StatusCode::kResourceExhausted), "full 0");
}

TEST(BestClasses, AreOrderedAndNamedWhereThereIsANameForEach) {
  const float scores[] = {1, 5, 3, 5};
  const TensorView view{DType::kFloat32, Shape{1, 4}, std::as_bytes(std::span(scores))};
  const auto named = best_classes(view, {}, {"a", "b", "c", "d"}, 3);
  ASSERT_EQ(named.size(), 3U);
  EXPECT_EQ(named[0].name, "b");
  EXPECT_EQ(named[1].name, "d");
  EXPECT_EQ(named[2].index, 2U);
  EXPECT_EQ(named[2].score, 3);
  const auto nameless = best_classes(view, {}, {"a"}, 9);
  ASSERT_EQ(nameless.size(), 4U);
  EXPECT_EQ(nameless[3].index, 0U);
  EXPECT_EQ(nameless[3].name, "");
}

}  // namespace
}  // namespace inferd::ctl
