// SPDX-License-Identifier: Apache-2.0
//
// Takes samples in a thread of its own, so that keys are heard while a daemon is slow.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "clients/inferctl/top/sample.h"

namespace inferd::ctl {

// Thread-safe.
class Poller {
 public:
  // Goes on from `first`, every `interval` seconds. The client must live longer.
  Poller(Client& client, Sample first, double interval);
  // Waits for the call that is on its way.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Readable when something came since the last latest().
  int came() const { return came_; }
  struct Latest {
    SamplePair samples;
    Status status;  // of the last try; samples are those before
  };
  Latest latest();

  void set_interval(double seconds);

 private:
  void run();

  Sampler sampler_;
  const int came_;  // an eventfd
  std::mutex mutex_;
  std::condition_variable changed_;
  Latest latest_;          // by mutex_
  double interval_;        // by mutex_
  bool stopping_ = false;  // by mutex_
  std::thread thread_;     // last: it uses the others
};

}  // namespace inferd::ctl
