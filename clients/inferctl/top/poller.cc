// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace inferd::ctl {

Poller::Poller(Client& client, Sample first, double interval)
    : sampler_(client), came_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), interval_(interval) {
  latest_.samples.now = std::move(first);
  thread_ = std::thread([this] { run(); });
}

Poller::~Poller() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  ::close(came_);
}

Poller::Latest Poller::latest() {
  eventfd_t unused = 0;
  ::eventfd_read(came_, &unused);
  const std::lock_guard lock(mutex_);
  return latest_;
}

void Poller::set_interval(double seconds) {
  {
    const std::lock_guard lock(mutex_);
    interval_ = seconds;
  }
  changed_.notify_all();
}

void Poller::run() {
  std::unique_lock lock(mutex_);
  auto last = latest_.samples.now.time;
  while (!stopping_) {
    const double waits = interval_;
    const auto due = last + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                std::chrono::duration<double>(waits));
    if (changed_.wait_until(lock, due, [&] { return stopping_ || interval_ != waits; })) continue;
    lock.unlock();
    last = std::chrono::steady_clock::now();
    Result<Sample> sample = sampler_.take();
    lock.lock();
    latest_.status = sample.status();
    if (sample.ok()) {
      latest_.samples.before = std::move(latest_.samples.now);
      latest_.samples.now = *std::move(sample);
      latest_.samples.has_before = true;
    }
    ::eventfd_write(came_, 1);
  }
}

}  // namespace inferd::ctl
