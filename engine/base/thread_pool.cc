// SPDX-License-Identifier: Apache-2.0
#include "engine/base/thread_pool.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace inferd {
namespace {

// Layers of a small network follow each other within microseconds: a worker that went to sleep in
// between would pay for a wake-up at each. Longer than this it does not pay to burn the core.
constexpr std::chrono::microseconds kSpin{50};

// Pieces per thread: enough that an early finisher takes over from a late one.
constexpr int64_t kPiecesPerThread = 4;

// Shares of a job that belong to workers from the start; with more workers some have the same.
constexpr int64_t kMaxShares = 16;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `done` or kSpin has passed; returns done().
template <typename F>
bool spin_until(const F& done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

// One call of parallel_for, on the caller's stack while it is listed in the pool.
//
// Every worker has a share of the range and begins with it; who has finished takes pieces of the
// others'. So the same worker gets the same part of one layer after the other, which it finds in
// its own cache.
struct Job {
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};  // first index that nobody has taken
    int64_t end = 0;
  };

  RangeFunction f;
  int64_t piece;
  int max_workers;
  int64_t shares = 0;
  std::array<Share, kMaxShares> share{};
  std::atomic<int64_t> left_to_take{0};
  std::atomic<int> helpers{0};     // workers inside; changes under the pool's mutex
  int joined = 1;                  // worker numbers given out, the caller's 0 included; by mutex
  std::condition_variable left{};  // helpers became 0
  Job* next_job = nullptr;         // by mutex

  Job(RangeFunction function, int64_t count, int64_t grain, int workers)
      : f(function), max_workers(workers), shares(std::min<int64_t>(workers, kMaxShares)) {
    const int64_t grains = (count - 1) / grain + 1;
    piece = grain * std::max<int64_t>(grains / (workers * kPiecesPerThread), 1);
    const int64_t pieces = (count - 1) / piece + 1;
    for (int64_t s = 0; s < shares; ++s) {
      share[static_cast<size_t>(s)].next.store(pieces * s / shares * piece,
                                               std::memory_order_relaxed);
      share[static_cast<size_t>(s)].end = std::min(pieces * (s + 1) / shares * piece, count);
    }
    left_to_take.store(pieces, std::memory_order_relaxed);
  }

  bool wants_help() const {
    return joined < max_workers && left_to_take.load(std::memory_order_relaxed) > 0;
  }
  void work(int worker) {
    for (int64_t s = 0; s < shares; ++s) {
      Share& from = share[static_cast<size_t>((worker + s) % shares)];
      for (;;) {
        // Looking first: who only finds the share empty leaves its line where it is used.
        if (from.next.load(std::memory_order_relaxed) >= from.end) break;
        const int64_t begin = from.next.fetch_add(piece, std::memory_order_relaxed);
        if (begin >= from.end) break;
        left_to_take.fetch_sub(1, std::memory_order_relaxed);
        f(begin, std::min(begin + piece, from.end), worker);
      }
    }
  }
};

}  // namespace

struct ThreadPool::Impl {
  std::mutex mutex;
  std::condition_variable wake;    // a job was listed, or stop
  Job* jobs = nullptr;             // open jobs, newest first; by mutex
  int sleepers = 0;                // by mutex
  bool stop = false;               // by mutex
  std::atomic<uint64_t> epoch{0};  // grows with every job listed and at stop
  bool spin = true;
  std::vector<std::thread> workers;

  Job* find_job() {
    for (Job* job = jobs; job != nullptr; job = job->next_job) {
      if (job->wants_help()) return job;
    }
    return nullptr;
  }

  void help(Job* job, std::unique_lock<std::mutex>& lock) {
    const int worker = job->joined++;
    job->helpers.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    job->work(worker);
    lock.lock();
    // Notified under the mutex: the job is gone as soon as its caller gets the mutex.
    if (job->helpers.fetch_sub(1, std::memory_order_release) == 1) job->left.notify_one();
  }

  void worker_loop() {
    std::unique_lock lock(mutex);
    while (!stop) {
      if (Job* job = find_job()) {
        help(job, lock);
        continue;
      }
      const uint64_t seen = epoch.load(std::memory_order_relaxed);
      if (spin) {
        lock.unlock();
        const bool changed =
            spin_until([&] { return epoch.load(std::memory_order_relaxed) != seen; });
        lock.lock();
        if (changed) continue;
      }
      ++sleepers;
      wake.wait(lock, [&] { return epoch.load(std::memory_order_relaxed) != seen; });
      --sleepers;
    }
  }

  void open(Job* job) {
    bool notify = false;
    {
      const std::lock_guard lock(mutex);
      job->next_job = jobs;
      jobs = job;
      epoch.fetch_add(1, std::memory_order_relaxed);
      notify = sleepers > 0;
    }
    if (notify) wake.notify_all();
  }

  // Unlists the job, so that nobody joins any more, and waits for those inside.
  void close(Job* job) {
    std::unique_lock lock(mutex);
    Job** link = &jobs;
    while (*link != job) link = &(*link)->next_job;
    *link = job->next_job;
    if (spin && job->helpers.load(std::memory_order_acquire) != 0) {
      lock.unlock();
      spin_until([&] { return job->helpers.load(std::memory_order_acquire) == 0; });
      lock.lock();
    }
    job->left.wait(lock, [&] { return job->helpers.load(std::memory_order_acquire) == 0; });
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  // More threads than cores: whoever spins takes the core from somebody who works.
  impl_->spin = threads <= static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 1; i < threads; ++i) {
    impl_->workers.emplace_back([impl = impl_.get()] { impl->worker_loop(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
    impl_->epoch.fetch_add(1, std::memory_order_relaxed);
  }
  impl_->wake.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::parallel_for(int64_t count, int64_t grain, RangeFunction f, int max_threads) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count - 1) / grain + 1;
  int64_t workers = max_threads > 0 ? std::min(max_threads, threads()) : threads();
  workers = std::min(workers, grains);
  if (workers == 1) {
    f(0, count, 0);
    return;
  }
  Job job(f, count, grain, static_cast<int>(workers));
  impl_->open(&job);
  job.work(0);
  impl_->close(&job);
}

}  // namespace inferd
