// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/worker.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <utility>

namespace inferd::telemetry {
namespace {

int64_t now_ns() {
  using std::chrono::steady_clock;
  return std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// All there are. Never destroyed: threads of libraries have workers and may end after main().
struct Workers {
  static Workers& all() {
    static auto* const workers = new Workers;
    return *workers;
  }
  std::vector<Busy> busy(int64_t longer_than_ns) {
    std::vector<Busy> busy;
    const int64_t now = now_ns();
    const std::lock_guard lock(mutex);
    for (const Worker* worker : workers) {
      const int64_t since = worker->since_.load(std::memory_order_relaxed);
      if (since != 0 && now - since > longer_than_ns) busy.push_back({worker->name_, now - since});
    }
    return busy;
  }

  std::mutex mutex;
  std::set<const Worker*> workers;  // by mutex
};

Worker::Worker(std::string name) : name_(std::move(name)) {
  const std::lock_guard lock(Workers::all().mutex);
  Workers::all().workers.insert(this);
}

Worker::~Worker() {
  const std::lock_guard lock(Workers::all().mutex);
  Workers::all().workers.erase(this);
}

void Worker::begin() { since_.store(now_ns(), std::memory_order_relaxed); }

std::vector<Busy> busy_workers(int64_t longer_than_ns) {
  std::vector<Busy> busy = Workers::all().busy(longer_than_ns);
  std::sort(busy.begin(), busy.end(), [](const Busy& a, const Busy& b) { return a.ns > b.ns; });
  return busy;
}

}  // namespace inferd::telemetry
