// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/run_stripes.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>

namespace inferd::runtime {
namespace {

using plan::kMaxStripedInputs;
using plan::kMaxStripedSteps;
using plan::Lines;
using plan::StripedGroup;
using plan::StripedStep;

// Where line 0 of the first image would be, if `line` of `image` is at `data`.
std::byte* origin(std::byte* data, const StripedStep& step, int64_t image, int64_t line) {
  const int64_t above = (image * step.height + line) * step.line_bytes;
  return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(data) -
                                      static_cast<uintptr_t>(above));
}

// One worker's way through some stripes.
class Worker {
 public:
  Worker(const StripeRun& run, int worker)
      : run_(run),
        group_(run.group),
        count_(static_cast<int>(run.group.steps.size())),
        buffers_(run.scratch + worker * run.group.worker_bytes),
        seconds_(run.seconds.empty() ? nullptr : run.seconds.data() + worker * count_),
        walk_(run.group) {
    size_t slots = 0;
    for (const StripedStep& step : group_.steps) slots += step.inputs.size() + 1;
    // The output is whole. It lies in the arena, which is written here; the list is const because
    // inputs share it.
    origins_[static_cast<size_t>(count_ - 1)] = const_cast<std::byte*>(run.operands[slots - 1]);
  }

  void stripe(int64_t index) {
    const int64_t image = index / group_.stripes;
    if (image != image_) walk_.restart();
    image_ = image;
    const int64_t first = index % group_.stripes * group_.stripe_lines;
    walk_.next({first, std::min(first + group_.stripe_lines, group_.steps.back().height)});
    for (int s = 0; s < count_; ++s) {
      if (step(s).home == s && s + 1 < count_) find_home(s);
    }
    const std::byte* const* operands = run_.operands;
    for (int s = 0; s < count_; ++s) {
      if (!walk_.fresh(s).empty()) run_step(s, operands);
      operands += step(s).inputs.size() + 1;
    }
  }

 private:
  const StripedStep& step(int s) const { return group_.steps[static_cast<size_t>(s)]; }

  // Moves the lines that are needed again to the front of the step's buffer.
  void find_home(int s) {
    const StripedStep& at = step(s);
    std::byte* const buffer = buffers_ + at.buffer;
    const Lines kept = walk_.kept(s);
    if (!kept.empty()) {
      std::memmove(buffer, buffer + (kept.begin - walk_.buffer_begin(s)) * at.line_bytes,
                   static_cast<size_t>(kept.count() * at.line_bytes));
    }
    origins_[static_cast<size_t>(s)] = origin(buffer, at, image_, walk_.needed(s).begin);
  }

  std::byte* origin_of(int s) const {
    return origins_[static_cast<size_t>(step(s).home)] + step(s).home_offset;
  }

  void run_step(int s, const std::byte* const* operands) {
    const plan::Step& what = run_.plan.steps[group_.first + static_cast<size_t>(s)];
    const size_t inputs = step(s).inputs.size();
    std::array<const std::byte*, kMaxStripedInputs> in{};
    for (size_t i = 0; i < inputs; ++i) {
      const int from = step(s).inputs[i].from;
      in[i] = from < 0 ? operands[i] : origin_of(from);
    }
    std::byte* const out = origin_of(s);
    const Lines fresh = walk_.fresh(s);
    const kernels::LineRange lines{image_, fresh.begin, fresh.end};
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = seconds_ != nullptr ? Clock::now() : Clock::time_point();
    what.kernel->run({.op = what.op,
                      .packed = what.packed.get(),
                      .prepared = what.prepared.get(),
                      .inputs = {in.data(), inputs},
                      .outputs = {&out, 1},
                      .scratch = buffers_ + group_.buffer_bytes,
                      .pool = run_.pool,
                      .max_threads = 1,
                      .lines = &lines,
                      .pixel_stride = what.pixel_stride,
                      .placed = what.placed});
    if (seconds_ != nullptr) {
      seconds_[s] += std::chrono::duration<double>(Clock::now() - start).count();
    }
  }

  const StripeRun& run_;
  const StripedGroup& group_;
  const int count_;
  std::byte* const buffers_;
  double* const seconds_;
  plan::StripeWalk walk_;
  int64_t image_ = -1;
  std::array<std::byte*, kMaxStripedSteps> origins_{};
};

}  // namespace

void run_stripes(const StripeRun& run) {
  const int64_t count = run.group.images * run.group.stripes;
  int threads = std::min(run.pool.threads(), run.group.max_workers);
  if (run.max_threads > 0) threads = std::min(threads, run.max_threads);
  // Long stretches: the first stripe of each computes lines that the one before it had. Several for
  // each thread: who is done early takes over from the others.
  constexpr int64_t kStretches = 4;
  const int64_t grain = std::max<int64_t>(count / (kStretches * threads), 1);
  run.pool.parallel_for(
      count, grain,
      [&](int64_t begin, int64_t end, int index) {
        Worker worker(run, index);
        for (int64_t stripe = begin; stripe < end; ++stripe) worker.stripe(stripe);
      },
      threads);
}

}  // namespace inferd::runtime
