// SPDX-License-Identifier: Apache-2.0
//
// Who works, and since when: what the watchdog looks at. A worker is whatever takes one piece of
// work after the other, each of which is to end soon: a thread that answers clients, an instance of
// a model. Waiting for work is not work.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace inferd::telemetry {

// begin() and end() may be called by any one thread at a time. They cost a look at the clock.
class Worker {
 public:
  explicit Worker(std::string name);  // for the log: "model detector 3"
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void begin();
  void end() { since_.store(0, std::memory_order_relaxed); }

 private:
  friend struct Workers;
  const std::string name_;
  std::atomic<int64_t> since_{0};  // CLOCK_MONOTONIC, ns; 0: it waits
};

// A piece of work, from here to the end of its scope.
class Work {
 public:
  explicit Work(Worker& worker) : worker_(worker) { worker_.begin(); }
  ~Work() { worker_.end(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

 private:
  Worker& worker_;
};

struct Busy {
  std::string name;
  int64_t ns = 0;  // since it began
};

// Workers that have been at one piece of work for longer than this, the longest first. Any thread.
std::vector<Busy> busy_workers(int64_t longer_than_ns);

}  // namespace inferd::telemetry
