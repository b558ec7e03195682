// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/memory_bandwidth.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

namespace inferd::ctl {
namespace {

constexpr int kRounds = 8;
constexpr int64_t kLeast = int64_t{64} << 20, kMost = int64_t{256} << 20;

int64_t bytes_to_read() {
  const int64_t cache =
      std::max<int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE), ::sysconf(_SC_LEVEL2_CACHE_SIZE));
  return std::clamp(4 * cache, kLeast, kMost);
}

}  // namespace

MemoryBandwidth measure_memory_bandwidth(int threads) {
  using Clock = std::chrono::steady_clock;
  struct Span {
    Clock::time_point begin, end;
  };
  const int64_t each = bytes_to_read() / threads;
  std::barrier together(threads + 1);
  std::atomic<int> found{0};  // that it is told is why a compiler lets the search happen
  std::vector<Span> spans(static_cast<size_t>(threads));
  std::vector<std::thread> readers;
  for (Span& span : spans) {
    readers.emplace_back([&together, &found, &span, each] {
      // Written once, so that every page has memory of its own.
      std::vector<std::byte> mine(static_cast<size_t>(each), std::byte{1});
      for (int round = 0; round < kRounds; ++round) {
        mine[static_cast<size_t>(round)] = std::byte{3};  // no round is known from the one before
        together.arrive_and_wait();
        span.begin = Clock::now();
        // The C library's search reads as fast as the CPU can, and never finds a 2.
        if (std::memchr(mine.data(), 2, mine.size()) != nullptr) ++found;
        span.end = Clock::now();
        together.arrive_and_wait();
      }
    });
  }
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    together.arrive_and_wait();
    together.arrive_and_wait();
    // From the first that began to the last that ended; the next round waits for this thread.
    Span all = spans[0];
    for (const Span& span : spans)
      all = {std::min(all.begin, span.begin), std::max(all.end, span.end)};
    const double seconds = std::chrono::duration<double>(all.end - all.begin).count();
    best = std::max(best, static_cast<double>(each * threads) / seconds * 1e-9);
  }
  for (std::thread& reader : readers) reader.join();
  return {found == 0 ? best : 0, threads, each * threads};
}

}  // namespace inferd::ctl
