// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace inferd::host {

// What the daemon does until it is ready, one step after the other: `systemctl status` shows it,
// and systemd gives it more time than TimeoutStartSec= while it goes on. That is so while the
// process computes or reads from the disk; but no single step gets more than kLongestStepMs, so
// that one that computes in circles ends, too.
class StartProgress {
 public:
  static constexpr int64_t kLongestStepMs = 900'000;

  struct Options {
    int64_t look_ms = 5'000;   // how often to look whether something happens
    int64_t more_ms = 30'000;  // the time to ask for then
    int64_t longest_step_ms = kLongestStepMs;
  };
  StartProgress() : StartProgress(Options()) {}
  explicit StartProgress(const Options& options);
  ~StartProgress();
  StartProgress(const StartProgress&) = delete;
  StartProgress& operator=(const StartProgress&) = delete;

  // The next step, "loading 2 of 5: detector".
  void begin(const std::string& step);

 private:
  void watch();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t steps_ = 0;  // by mutex_
  bool ends_ = false;   // by mutex_
  std::thread thread_;
};

}  // namespace inferd::host
