// SPDX-License-Identifier: Apache-2.0
#include "engine/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <vector>

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

// Counts every allocation of this program. The array and nothrow forms end here too.
[[gnu::noinline]] void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace inferd {
namespace {

struct Piece {
  int64_t begin, end;
  int worker;
};

std::vector<Piece> pieces_of(ThreadPool& pool, int64_t count, int64_t grain, int max_threads = 0) {
  std::mutex mutex;
  std::vector<Piece> pieces;
  pool.parallel_for(
      count, grain,
      [&](int64_t begin, int64_t end, int worker) {
        const std::lock_guard lock(mutex);
        pieces.push_back({begin, end, worker});
      },
      max_threads);
  return pieces;
}

size_t size_of(const std::set<int>& workers, std::mutex& mutex) {
  const std::lock_guard lock(mutex);
  return workers.size();
}

TEST(ThreadPool, CoversTheRangeOnceInPiecesOfGrain) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 64, 5000}) {
        std::vector<int> hits(static_cast<size_t>(count), 0);
        for (const Piece& p : pieces_of(pool, count, grain)) {
          ASSERT_LT(p.begin, p.end);
          EXPECT_TRUE(p.end == count || (p.end - p.begin) % grain == 0);
          EXPECT_GE(p.worker, 0);
          EXPECT_LT(p.worker, threads);
          for (int64_t i = p.begin; i < p.end; ++i) ++hits[static_cast<size_t>(i)];
        }
        for (const int n : hits) ASSERT_EQ(n, 1);
      }
    }
  }
}

TEST(ThreadPool, WorkerNumbersStayBelowTheLimit) {
  ThreadPool pool(4);
  for (int round = 0; round < 200; ++round) {
    for (const Piece& p : pieces_of(pool, 64, 1, 2)) ASSERT_LT(p.worker, 2);
  }
}

// Each waits for the others, as many as there may be: fewer would never end, more are counted.
TEST(ThreadPool, OfFewerThreadsNoMoreWork) {
  ThreadPool pool(4);
  for (const int limit : {2, 1, 3, 0}) {
    pool.limit(limit);
    const int most = limit == 0 ? 4 : limit;
    std::atomic<int> inside{0};
    std::atomic<bool> too_many{false};
    std::set<int> workers;
    std::mutex mutex;
    pool.parallel_for(64, 1, [&](int64_t, int64_t, int worker) {
      if (++inside > most) too_many = true;
      {
        const std::lock_guard lock(mutex);
        workers.insert(worker);
      }
      while (static_cast<int>(size_of(workers, mutex)) < most) std::this_thread::yield();
      --inside;
    });
    EXPECT_FALSE(too_many) << limit;
    EXPECT_EQ(static_cast<int>(workers.size()), most) << limit;
    EXPECT_EQ(pool.threads(), 4);
  }
}

TEST(ThreadPool, OneThreadRunsOnTheCaller) {
  ThreadPool pool(1);
  pool.parallel_for(10, 1, [&, caller = std::this_thread::get_id()](int64_t b, int64_t e, int w) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(b, 0);
    EXPECT_EQ(e, 10);
    EXPECT_EQ(w, 0);
  });
}

// Every thread holds its piece until all four are inside: only true parallelism gets through.
TEST(ThreadPool, AllThreadsTakePartWithDistinctNumbers) {
  ThreadPool pool(4);
  for (int round = 0; round < 20; ++round) {
    std::mutex mutex;
    std::condition_variable all_in;
    std::set<int> workers;
    pool.parallel_for(4, 1, [&](int64_t, int64_t, int worker) {
      std::unique_lock lock(mutex);
      EXPECT_TRUE(workers.insert(worker).second);
      all_in.notify_all();
      all_in.wait(lock, [&] { return workers.size() == 4; });
    });
    EXPECT_EQ(workers.size(), 4U);
  }
}

TEST(ThreadPool, SeveralCallersAtOnce) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&pool, c] {
      for (int64_t round = 1; round <= 300; ++round) {
        const int64_t count = round + c;
        std::vector<int64_t> sums(static_cast<size_t>(pool.threads()), 0);
        pool.parallel_for(count, 1, [&](int64_t begin, int64_t end, int worker) {
          for (int64_t i = begin; i < end; ++i) sums[static_cast<size_t>(worker)] += i;
        });
        int64_t total = 0;
        for (const int64_t s : sums) total += s;
        ASSERT_EQ(total, count * (count - 1) / 2);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// Callers come first: once as many of them are inside as the pool has threads, a worker finishes
// the piece that it has and takes no other. Counted, not timed.
TEST(ThreadPool, WorkersMakeRoomForCallers) {
  constexpr int kThreads = 3;
  constexpr int kCallers = 4;
  constexpr int kPieces = 200;
  ThreadPool pool(kThreads);
  for (int round = 0; round < 20; ++round) {
    std::mutex mutex;
    std::condition_variable all_in;
    std::atomic<int> callers_in{0};
    std::atomic<bool> one_done{false};
    std::atomic<int> inside{0};
    std::atomic<int> most_inside{0};
    std::atomic<int> late{0};  // pieces that workers began while all callers were inside
    std::vector<std::thread> callers;
    for (int c = 0; c < kCallers; ++c) {
      callers.emplace_back([&] {
        bool waited = false;
        std::atomic<int> done{0};
        const auto wait_for_all = [&] {
          std::unique_lock lock(mutex);
          all_in.wait(lock, [&] { return callers_in == kCallers; });
        };
        const auto arrive = [&] {
          waited = true;
          {
            const std::lock_guard lock(mutex);
            ++callers_in;
          }
          all_in.notify_all();
          wait_for_all();
        };
        pool.parallel_for(kPieces, 1, [&](int64_t begin, int64_t end, int worker) {
          const int now = inside.fetch_add(1) + 1;
          int most = most_inside;
          while (now > most && !most_inside.compare_exchange_weak(most, now)) {
          }
          if (worker != 0 && callers_in == kCallers && !one_done) ++late;
          if (worker == 0 && !waited) arrive();
          if (worker != 0) wait_for_all();  // so that workers are there when callers come
          inside.fetch_sub(1);
          if (done.fetch_add(static_cast<int>(end - begin)) + (end - begin) == kPieces) {
            one_done = true;
          }
        });
        if (!waited) arrive();  // workers were faster
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_LE(most_inside.load(), kCallers + kThreads - 1);
    EXPECT_LE(late.load(), kThreads - 1);
  }
}

// A pool of which each thread says where it may run and where its first piece begins.
struct FirstPiece {
  int64_t begin = -1;
  std::vector<int> cpus;
};
std::vector<FirstPiece> first_pieces(ThreadPool& pool, int64_t count) {
  std::mutex mutex;
  std::condition_variable all_in;
  std::vector<FirstPiece> first(static_cast<size_t>(pool.threads()));
  int inside = 0;
  pool.parallel_for(count, 1, [&](int64_t begin, int64_t, int worker) {
    std::unique_lock lock(mutex);
    FirstPiece& mine = first[static_cast<size_t>(worker)];
    if (mine.begin >= 0) return;
    mine = {begin, allowed_cpus()};
    if (++inside == pool.threads()) all_in.notify_all();
    all_in.wait(lock, [&] { return inside == pool.threads(); });
  });
  return first;
}

TEST(ThreadPool, SharesAreAsLargeAsCoresAreFast) {
  const std::vector<int> cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "one CPU is of one class";
  const CpuClass big{.capacity = 900, .cpus = {cpus[0]}};
  const CpuClass little{.capacity = 300, .cpus = {cpus[1]}};
  ThreadPool pool(2, {big, little});
  const std::vector<FirstPiece> first = first_pieces(pool, 800);
  EXPECT_EQ(first[0].begin, 0);
  EXPECT_EQ(first[0].cpus, cpus) << "the caller's thread is not the pool's to move";
  EXPECT_EQ(first[1].begin, 600);
  EXPECT_EQ(first[1].cpus, little.cpus);
}

TEST(ThreadPool, EveryThreadBeginsWithItsOwnShare) {
  ThreadPool pool(4);
  for (int round = 0; round < 10; ++round) {
    const std::vector<FirstPiece> first = first_pieces(pool, 1600);
    for (size_t t = 0; t < 4; ++t) EXPECT_EQ(first[t].begin, static_cast<int64_t>(400 * t));
    EXPECT_EQ(first[3].cpus, allowed_cpus());
  }
}

TEST(ThreadPool, ManyThreadsOnTwoClassesCoverTheRange) {
  const std::vector<int> cpus = allowed_cpus();
  ThreadPool pool(
      5, {{.capacity = 1024, .cpus = {cpus.front()}}, {.capacity = 10, .cpus = {cpus.back()}}});
  for (const int64_t count : {1, 3, 64, 1000}) {
    for (const int max_threads : {0, 2, 3}) {
      std::vector<int> hits(static_cast<size_t>(count), 0);
      for (const Piece& p : pieces_of(pool, count, 1, max_threads)) {
        for (int64_t i = p.begin; i < p.end; ++i) ++hits[static_cast<size_t>(i)];
      }
      for (const int n : hits) ASSERT_EQ(n, 1);
    }
  }
}

// Each thread holds its piece until both are inside, so inner ranges must not crowd the other out.
TEST(ThreadPool, InnerRangesRunOnTheirOwnThread) {
  ThreadPool pool(2);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> inside{0};
    std::atomic<int64_t> inner{0};
    pool.parallel_for(2, 1, [&](int64_t, int64_t, int) {
      pool.parallel_for(10, 1, [&, self = std::this_thread::get_id()](int64_t b, int64_t e, int w) {
        EXPECT_EQ(std::this_thread::get_id(), self);
        EXPECT_EQ(w, 0);
        inner += e - b;
        if (inside.fetch_add(1) == 0) {
          while (inside < 2) std::this_thread::yield();
        }
      });
    });
    EXPECT_EQ(inner.load(), 20);
  }
}

TEST(ThreadPool, ParallelForAllocatesNothing) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  const auto add = [&](int64_t begin, int64_t end, int) { sum.fetch_add(end - begin); };
  pool.parallel_for(100, 1, add);
  const int64_t before = allocations.load();
  for (int i = 0; i < 100; ++i) pool.parallel_for(100, 1, add);
  EXPECT_EQ(allocations.load(), before);
  EXPECT_EQ(sum.load(), 101 * 100);
}

TEST(ThreadPool, StartsAndStopsRepeatedly) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(4);
    if (i % 2 == 0) {
      EXPECT_FALSE(pieces_of(pool, 8, 1).empty());
    }
  }
}

}  // namespace
}  // namespace inferd
