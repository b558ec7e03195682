// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/wait.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace inferd::pipeline {

bool wait_for(const Stopper& stopper, std::span<pollfd> files, int timeout_ms) {
  constexpr size_t kMaxFiles = 8;
  std::array<pollfd, kMaxFiles + 1> all{};
  const size_t count = std::min(files.size(), kMaxFiles);
  const int64_t end =
      timeout_ms < 0 ? INT64_MAX : schedule::now_ns() + int64_t{timeout_ms} * 1'000'000;
  while (!stopper.stopped()) {
    std::copy_n(files.begin(), count, all.begin());
    all[count] = {stopper.fd(), POLLIN, 0};
    // Without the stopper's file, looking at it now and then has to do.
    constexpr int kGlanceMs = 50;
    const int longest = timeout_ms < 0 ? kGlanceMs : std::min(timeout_ms, kGlanceMs);
    const int ready = ::poll(all.data(), count + 1, stopper.fd() < 0 ? longest : timeout_ms);
    std::copy_n(all.begin(), count, files.begin());
    if (ready > 0 || schedule::now_ns() >= end) return !stopper.stopped();
  }
  return false;
}

int64_t monotonic_of(int64_t unix_ns) {
  timespec day{};
  ::clock_gettime(CLOCK_REALTIME, &day);
  return schedule::now_ns() - (int64_t{day.tv_sec} * 1'000'000'000 + day.tv_nsec - unix_ns);
}

}  // namespace inferd::pipeline
