// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/wait.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace inferd::pipeline {

bool wait_for(const Stopper& stopper, std::span<pollfd> files) {
  constexpr size_t kMaxFiles = 8;
  std::array<pollfd, kMaxFiles + 1> all{};
  const size_t count = std::min(files.size(), kMaxFiles);
  // Without the stopper's file, looking at it now and then has to do.
  const int timeout_ms = stopper.fd() < 0 ? 50 : -1;
  while (!stopper.stopped()) {
    std::copy_n(files.begin(), count, all.begin());
    all[count] = {stopper.fd(), POLLIN, 0};
    const int ready = ::poll(all.data(), count + 1, timeout_ms);
    std::copy_n(all.begin(), count, files.begin());
    if (ready > 0) return !stopper.stopped();
  }
  return false;
}

int64_t monotonic_of(int64_t unix_ns) {
  timespec day{};
  ::clock_gettime(CLOCK_REALTIME, &day);
  return schedule::now_ns() - (int64_t{day.tv_sec} * 1'000'000'000 + day.tv_nsec - unix_ns);
}

}  // namespace inferd::pipeline
