// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/start_progress.h"

#include <sys/resource.h>

#include <chrono>

#include "daemon/host/systemd.h"

namespace inferd::host {
namespace {

// What the process has done so far.
struct Done {
  int64_t cpu_us = 0;
  int64_t reads = 0;  // from the disk, mapped files included

  static Done now() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto us = [](const timeval& time) {
      return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    };
    return {us(usage.ru_utime) + us(usage.ru_stime), usage.ru_inblock + usage.ru_majflt};
  }
  // More than looking costs: a hundredth of the time.
  bool is_more_than(const Done& before, int64_t ms) const {
    return cpu_us - before.cpu_us > ms * 10 || reads > before.reads;
  }
};

}  // namespace

StartProgress::StartProgress(const Options& options) : options_(options) {
  if (is_notified()) thread_ = std::thread([this] { watch(); });
}

StartProgress::~StartProgress() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StartProgress::begin(const std::string& step) {
  notify_status(step);
  const std::lock_guard lock(mutex_);
  ++steps_;
}

void StartProgress::watch() {
  std::unique_lock lock(mutex_);
  uint64_t step = steps_;
  int64_t step_ms = 0;
  Done before = Done::now();
  const std::chrono::milliseconds pause(options_.look_ms);
  while (!changed_.wait_for(lock, pause, [&] { return ends_; })) {
    step_ms = step == steps_ ? step_ms + options_.look_ms : 0;
    step = steps_;
    const Done now = Done::now();
    const bool goes_on = now.is_more_than(before, options_.look_ms);
    if (goes_on && step_ms < options_.longest_step_ms) notify_more_time(options_.more_ms);
    before = now;
  }
}

}  // namespace inferd::host
