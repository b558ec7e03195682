// SPDX-License-Identifier: Apache-2.0
//
// A line of the board that is on while something is seen: a lamp, a lock, a siren.
#include "daemon/pipeline/sinks/gpio.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "daemon/pipeline/sinks/options.h"
#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kRetryNs = 1'000'000'000;

class Switch final : public Sink {
 public:
  Switch(Wanted wanted, int64_t hold_ns, std::unique_ptr<OutputLine> line)
      : wanted_(std::move(wanted)),
        hold_ns_(hold_ns),
        line_(std::move(line)),
        thread_([this] { run(); }) {}
  ~Switch() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  bool looks() const override { return false; }
  Status write(const Frame&, const FrameResult& result) override {
    const bool seen = std::any_of(result.detections.begin(), result.detections.end(),
                                  [&](const Detection& d) { return wanted_.takes(d); });
    if (seen) {
      {
        const std::lock_guard lock(mutex_);
        on_until_ns_ = schedule::now_ns() + hold_ns_;
      }
      changed_.notify_one();
    }
    return troubles_.next(status());
  }

  SinkStatus status() const override {
    const std::lock_guard lock(mutex_);
    return {state_, 0, 0, last_error_};
  }

 private:
  // A bus may lie between the board and the line, so that to set it takes a while.
  void run() {
    bool open = false, is_on = false;
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const bool on = schedule::now_ns() < on_until_ns_;
      if (!open || on != is_on) {
        lock.unlock();
        Status status = open ? ok_status() : line_->open();
        if (status.ok()) status = line_->set(on);
        lock.lock();
        open = status.ok();
        is_on = on;
        state_ = !open ? "waiting for the line" : on ? "on" : "off";
        if (!open) last_error_ = status.message();
      }
      sleep(lock, open, is_on);
    }
    lock.unlock();
    line_.reset();
  }

  // Until something may have to be done.
  void sleep(std::unique_lock<std::mutex>& lock, bool open, bool is_on) {
    const auto pause = [&](int64_t ns, auto done) {
      changed_.wait_for(lock, std::chrono::nanoseconds(ns), done);
    };
    if (!open) {
      pause(kRetryNs, [&] { return stopping_; });
    } else if (is_on) {
      pause(on_until_ns_ - schedule::now_ns(), [&] { return stopping_; });
    } else {
      changed_.wait(lock, [&] { return stopping_ || schedule::now_ns() < on_until_ns_; });
    }
  }

  const Wanted wanted_;
  const int64_t hold_ns_;
  Troubles troubles_;                 // of the pipeline's thread
  std::unique_ptr<OutputLine> line_;  // of the thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int64_t on_until_ns_ = 0;  // by mutex_, as all below
  bool stopping_ = false;
  std::string state_ = "waiting for the line", last_error_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Sink> make_switch_sink(Wanted wanted, int64_t hold_ns,
                                       std::unique_ptr<OutputLine> line) {
  return std::make_unique<Switch>(std::move(wanted), hold_ns, std::move(line));
}

}  // namespace inferd::pipeline
