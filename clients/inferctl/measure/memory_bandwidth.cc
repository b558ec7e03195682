// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/memory_bandwidth.h"

#include <unistd.h>

#include <algorithm>
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
  const int64_t each = bytes_to_read() / threads;
  std::barrier together(threads + 1);
  std::vector<std::thread> readers;
  for (int i = 0; i < threads; ++i) {
    readers.emplace_back([&together, each] {
      // Written once, so that every page has memory of its own.
      const std::vector<std::byte> mine(static_cast<size_t>(each), std::byte{1});
      for (int round = 0; round < kRounds; ++round) {
        together.arrive_and_wait();
        // The C library's search reads as fast as the CPU can, and never finds a 2.
        const void* const found = std::memchr(mine.data(), 2, mine.size());
        asm volatile("" : : "r"(found) : "memory");  // else there is no reason to search
        together.arrive_and_wait();
      }
    });
  }
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    together.arrive_and_wait();
    const auto start = Clock::now();
    together.arrive_and_wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, static_cast<double>(each * threads) / seconds * 1e-9);
  }
  for (std::thread& reader : readers) reader.join();
  return {best, threads, each * threads};
}

}  // namespace inferd::ctl
