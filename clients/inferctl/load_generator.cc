// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/load_generator.h"

#include <sys/prctl.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

namespace inferd::ctl {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// When requests are due.
class Arrivals {
 public:
  Arrivals(const LoadPlan& plan, Clock::time_point begin) : plan_(plan), begin_(begin) {}

  Clock::time_point next() const {
    return begin_ +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(offset_s_));
  }

  void step() {
    ++count_;
    // Not a sum where it need not be one: its errors would grow.
    offset_s_ = plan_.poisson ? offset_s_ + exponential_(random_) / plan_.rate
                              : static_cast<double>(count_) / plan_.rate;
  }

 private:
  const LoadPlan& plan_;
  const Clock::time_point begin_;
  uint64_t count_ = 0;
  double offset_s_ = 0;
  std::mt19937_64 random_{1};  // the same load each time
  std::exponential_distribution<double> exponential_{1};
};

// Counts requests in and answers out.
class Tally {
 public:
  explicit Tally(int concurrency) : concurrency_(concurrency) {}

  // Waits until a request may be sent; false: not before `end`.
  bool take_slot(Clock::time_point end) {
    std::unique_lock lock(mutex_);
    if (!answer_.wait_until(lock, end, [this] { return on_their_way_ < concurrency_; }))
      return false;
    ++on_their_way_;
    ++report_.sent;
    return true;
  }

  // A request with a slot, whose latency counts from `start`.
  void send(const SendRequest& send, Clock::time_point start) {
    send([this, start](const Status& status) { answered(status, Clock::now() - start); });
  }

  // Waits for all answers.
  LoadReport finish(Clock::time_point begin, uint64_t unsent) {
    std::unique_lock lock(mutex_);
    answer_.wait(lock, [this] { return on_their_way_ == 0; });
    report_.seconds = seconds_between(begin, Clock::now());
    report_.unsent = unsent;
    return std::move(report_);
  }

 private:
  void answered(const Status& status, Clock::duration latency) {
    const std::lock_guard lock(mutex_);
    const int64_t ns = std::chrono::nanoseconds(latency).count();
    if (status.ok()) {
      report_.latency.record(ns);
    } else {
      report_.failing.record(ns);
      ++report_.errors[status.code()];
      report_.said.try_emplace(status.code(), status.message());
    }
    --on_their_way_;
    answer_.notify_one();  // with the lock: finish() may be all that is waited for
  }

  const int concurrency_;
  std::mutex mutex_;
  std::condition_variable answer_;
  int on_their_way_ = 0;  // by mutex_
  LoadReport report_;     // by mutex_
};

}  // namespace

LoadReport generate_load(const LoadPlan& plan, const SendRequest& send,
                         const std::function<void(double)>& on_progress) {
  // Sleeps end when they should, not within the 50 us that the kernel takes to gather timers.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  Tally tally(plan.concurrency);
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + plan.duration;
  uint64_t unsent = 0;
  if (plan.rate > 0) {
    Arrivals arrivals(plan, begin);
    for (; arrivals.next() < end; arrivals.step()) {
      std::this_thread::sleep_until(arrivals.next());
      if (unsent > 0 || !tally.take_slot(end)) {
        ++unsent;  // the time is over, and the rest is only counted
        continue;
      }
      tally.send(send, arrivals.next());
      on_progress(seconds_between(begin, Clock::now()));
    }
  } else {
    while (Clock::now() < end && tally.take_slot(end)) {
      tally.send(send, Clock::now());
      on_progress(seconds_between(begin, Clock::now()));
    }
  }
  return tally.finish(begin, unsent);
}

}  // namespace inferd::ctl
