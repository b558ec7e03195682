// SPDX-License-Identifier: Apache-2.0
//
// The engine's worker threads. One pool serves all models; a run borrows up to N of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/cpu_classes.h"

namespace inferd {

// A borrowed callable `void(int64_t begin, int64_t end, int worker)`: no allocation.
class RangeFunction {
 public:
  template <typename F>
  RangeFunction(const F& f)  // NOLINT(google-explicit-constructor)
      : object_(&f), call_([](const void* o, int64_t b, int64_t e, int w) {
          (*static_cast<const F*>(o))(b, e, w);
        }) {}
  void operator()(int64_t begin, int64_t end, int worker) const {
    call_(object_, begin, end, worker);
  }

 private:
  const void* object_;
  void (*call_)(const void*, int64_t, int64_t, int);
};

// Workers are started once and wait on a condition after a bounded spin. The calling thread always
// takes part, so a pool of one thread starts none.
//
// Safe to call from several threads at once: each caller's range is finished when its call returns.
// Callers come first: a worker joins a range only while fewer threads than threads() are inside
// functions of this pool, and leaves it before its next piece when more callers have come. So with
// any number of callers no more than max(callers, threads()) threads compute, but for pieces that
// were begun before, and never more than callers + threads() - 1. Workers spin, 200 us at most,
// only while a thread is missing to that number and the machine has as many cores.
class ThreadPool {
 public:
  // `threads`: 1 to 256, the caller included. `classes`: the CPUs it may use, where they differ in
  // speed (big.LITTLE). Then workers stay on the CPUs of a class, the fastest first, and are free
  // within it; shares are as large as their worker's class is fast, a caller counting as one of the
  // fastest; and a slow worker leaves a range to faster ones that are idle.
  explicit ThreadPool(int threads, std::vector<CpuClass> classes = {});
  ~ThreadPool();  // precondition: no call in progress
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // As if there were only so many threads, from now on, until it is called again; 0, or more than
  // there are: all. Calls in progress lose those beyond it before their next piece. Any thread.
  void limit(int threads);

  // Calls `f` on disjoint pieces that cover [0, count), each a multiple of `grain` long but the
  // last, on at most `max_threads` threads (0: all). `worker` is unique among the threads inside
  // this call, less than threads() and less than `max_threads` when that is given. Allocates
  // nothing. `f` must not throw; ranges it opens run on its own thread.
  void parallel_for(int64_t count, int64_t grain, RangeFunction f, int max_threads = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace inferd
