// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/quiet.h"

#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace inferd::host {

void run_quietly(const std::function<void()>& work) {
  std::thread([&] {
    // Of this thread alone, on Linux. Without it, the work is only less polite.
    constexpr int kNice = 10;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    work();
  }).join();
}

}  // namespace inferd::host
