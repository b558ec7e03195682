// SPDX-License-Identifier: Apache-2.0
//
// How two implementations are compared on a machine whose speed drifts: in turn, in rounds; the
// median of each round, and the median over rounds of their ratio.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace inferd::bench {

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Median time of a run in ms, over at least 5 runs and `seconds`.
template <typename Run>
double round_ms(const Run& run, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  while (times.size() < 5 || since(start) < seconds) {
    const Clock::time_point begin = Clock::now();
    run();
    times.push_back(since(begin) * 1e3);
  }
  return median(times);
}

struct Comparison {
  double theirs_ms = 0;
  double ours_ms = 0;
  double ratio = 0;  // theirs to ours: above 1, ours is faster
};

// Before each round a pause, in which threads of the other that still wait for work without
// sleeping get tired of it.
inline void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(100)); }

template <typename Theirs, typename Ours>
Comparison compare(const Theirs& theirs, const Ours& ours, int rounds, double seconds) {
  std::vector<double> their_times, our_times, ratios;
  for (int round = 0; round < rounds; ++round) {
    pause();
    their_times.push_back(round_ms(theirs, seconds));
    pause();
    our_times.push_back(round_ms(ours, seconds));
    ratios.push_back(their_times.back() / our_times.back());
  }
  return {median(their_times), median(our_times), median(ratios)};
}

}  // namespace inferd::bench
