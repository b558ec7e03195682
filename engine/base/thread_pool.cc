// SPDX-License-Identifier: Apache-2.0
#include "engine/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace inferd {
namespace {

// Layers of a small network follow each other within microseconds: a worker that went to sleep in
// between would pay for a wake-up at each. Longer than this it does not pay to burn the core.
constexpr std::chrono::microseconds kSpin{200};

// Pieces per thread: enough that an early finisher takes over from a late one.
constexpr int64_t kPiecesPerThread = 4;

// Shares of a job that belong to workers from the start; with more workers some have the same.
constexpr int64_t kMaxShares = 16;

constexpr size_t kMaxThreads = 256;

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

// Lets the calling thread run on these CPUs only. A wish: they may be gone.
void stay_on(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// The calling thread is inside a function of a pool.
thread_local bool in_function = false;

// How many threads are inside functions of the pool, and how many may be.
struct Crowd {
  std::atomic<int> inside{0};
  std::atomic<int> most;

  void enter() {
    inside.fetch_add(1, std::memory_order_relaxed);
    in_function = true;
  }
  void leave() {
    in_function = false;
    inside.fetch_sub(1, std::memory_order_relaxed);
  }

  bool has_room() const {
    return inside.load(std::memory_order_relaxed) < most.load(std::memory_order_relaxed);
  }
  bool too_many() const {
    return inside.load(std::memory_order_relaxed) > most.load(std::memory_order_relaxed);
  }
};

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
  const Crowd& crowd;
  int64_t piece;
  int max_workers;
  int64_t shares = 0;
  std::array<Share, kMaxShares> share{};
  std::atomic<int64_t> left_to_take{0};
  std::atomic<int> helpers{0};        // workers inside; changes under the pool's mutex
  std::bitset<kMaxThreads> taken{1};  // worker numbers, the caller's 0 included; by mutex
  std::condition_variable left{};     // helpers became 0
  Job* next_job = nullptr;            // by mutex

  // `capacities`: running sums over worker numbers.
  Job(RangeFunction function, int64_t count, int64_t grain, int workers,
      std::span<const int64_t> capacities, const Crowd& in)
      : f(function),
        crowd(in),
        max_workers(workers),
        shares(std::min<int64_t>(workers, kMaxShares)) {
    const int64_t grains = (count - 1) / grain + 1;
    piece = grain * std::max<int64_t>(grains / (workers * kPiecesPerThread), 1);
    const int64_t pieces = (count - 1) / piece + 1;
    const auto own = capacities.first(static_cast<size_t>(shares));
    int64_t begin = 0;
    for (size_t s = 0; s < own.size(); ++s) {
      const int64_t end = split_at(pieces, own, s);
      share[s].next.store(begin * piece, std::memory_order_relaxed);
      share[s].end = std::min(end * piece, count);
      begin = end;
    }
    left_to_take.store(pieces, std::memory_order_relaxed);
  }

  int free_places() const { return max_workers - static_cast<int>(taken.count()); }
  bool wants_help() const {
    return free_places() > 0 && left_to_take.load(std::memory_order_relaxed) > 0;
  }
  // The number of the thread's own where it is free: then its share is that of the layer before.
  int take_number(int own) {
    size_t number = static_cast<size_t>(own);
    if (own >= max_workers || taken[number]) {
      number = 0;
      while (taken[number]) ++number;
    }
    taken.set(number);
    return static_cast<int>(number);
  }

  void work(int worker) {
    for (int64_t s = 0; s < shares; ++s) {
      Share& from = share[static_cast<size_t>((worker + s) % shares)];
      for (;;) {
        // Looking first: who only finds the share empty leaves its line where it is used.
        if (from.next.load(std::memory_order_relaxed) >= from.end) break;
        if (worker > 0 && crowd.too_many()) return;
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
  const int threads;               // that there are, the caller included
  Crowd crowd;
  bool spin = true;
  std::vector<CpuClass> classes;
  std::vector<size_t> class_of;     // of each thread, the callers' 0 first
  std::vector<int64_t> capacities;  // running sums over threads
  std::vector<int> idle;            // workers of each class without a job; by mutex
  std::vector<std::thread> workers;

  Impl(int all_threads, std::vector<CpuClass> of_cpus)
      : threads(all_threads),
        crowd{.inside = {}, .most = all_threads},
        classes(std::move(of_cpus)) {
    if (classes.empty()) classes.push_back({.capacity = 1, .cpus = allowed_cpus()});
    class_of = class_of_threads(classes, threads);
    int64_t sum = 0;
    for (const size_t c : class_of) capacities.push_back(sum += classes[c].capacity);
    idle.assign(classes.size(), 0);
  }

  // Is there a place in `job` that no idle worker of a faster class will take?
  bool has_place_for(const Job& job, size_t own_class) const {
    int faster = 0;
    for (size_t c = 0; c < own_class; ++c) faster += idle[c];
    return job.wants_help() && job.free_places() > faster;
  }

  Job* find_job(size_t own_class) {
    if (!crowd.has_room()) return nullptr;
    for (Job* job = jobs; job != nullptr; job = job->next_job) {
      if (has_place_for(*job, own_class)) return job;
    }
    return nullptr;
  }

  void help(Job* job, int own_number, std::unique_lock<std::mutex>& lock) {
    const int worker = job->take_number(own_number);
    job->helpers.fetch_add(1, std::memory_order_relaxed);
    crowd.enter();
    lock.unlock();
    job->work(worker);
    crowd.leave();
    lock.lock();
    job->taken.reset(static_cast<size_t>(worker));
    // Notified under the mutex: the job is gone as soon as its caller gets the mutex.
    if (job->helpers.fetch_sub(1, std::memory_order_release) == 1) job->left.notify_one();
  }

  void worker_loop(int number) {
    const size_t own_class = class_of[static_cast<size_t>(number)];
    if (classes.size() > 1) stay_on(classes[own_class].cpus);
    std::unique_lock lock(mutex);
    ++idle[own_class];
    while (!stop) {
      if (Job* job = find_job(own_class)) {
        --idle[own_class];
        help(job, number, lock);
        ++idle[own_class];
        continue;
      }
      const uint64_t seen = epoch.load(std::memory_order_relaxed);
      const auto changed = [&] { return epoch.load(std::memory_order_relaxed) != seen; };
      if (spin && crowd.has_room()) {
        lock.unlock();
        spin_until([&] { return changed() || !crowd.has_room(); });
        lock.lock();
        if (changed()) continue;
      }
      ++sleepers;
      wake.wait(lock, changed);
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
      notify = sleepers > 0 && crowd.has_room();
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

ThreadPool::ThreadPool(int threads, std::vector<CpuClass> classes)
    : impl_(std::make_unique<Impl>(threads, std::move(classes))) {
  // More threads than cores: whoever spins takes the core from somebody who works.
  impl_->spin = threads <= static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 1; i < threads; ++i) {
    impl_->workers.emplace_back([impl = impl_.get(), i] { impl->worker_loop(i); });
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

int ThreadPool::threads() const { return impl_->threads; }

void ThreadPool::limit(int threads) {
  const int all = impl_->threads;
  impl_->crowd.most.store(threads > 0 ? std::min(threads, all) : all, std::memory_order_relaxed);
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, RangeFunction f, int max_threads) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count - 1) / grain + 1;
  const int most = impl_->crowd.most.load(std::memory_order_relaxed);
  int64_t workers = max_threads > 0 ? std::min(max_threads, most) : most;
  workers = std::min(workers, grains);
  if (threads() == 1 || in_function) {
    f(0, count, 0);
    return;
  }
  impl_->crowd.enter();
  if (workers == 1) {
    f(0, count, 0);
  } else {
    Job job(f, count, grain, static_cast<int>(workers), impl_->capacities, impl_->crowd);
    impl_->open(&job);
    job.work(0);
    impl_->close(&job);
  }
  impl_->crowd.leave();
}

}  // namespace inferd
