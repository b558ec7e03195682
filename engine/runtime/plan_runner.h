// SPDX-License-Identifier: Apache-2.0
//
// The memory of one run of a plan at a time, and the loop over its steps.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/plan/plan.h"
#include "engine/runtime/memory_block.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

// Belongs to one thread at a time.
class PlanRunner {
 public:
  // Borrows `pool`.
  PlanRunner(ThreadPool& pool, const ContextOptions& options) : pool_(pool), options_(options) {}

  // Makes room for `plan`, which is what run() runs from now on. RESOURCE_EXHAUSTED.
  Status use(std::shared_ptr<const plan::Plan> plan);
  const std::shared_ptr<const plan::Plan>& plan() const { return plan_; }

  // `inputs` have the plan's shapes. The views it returns lie in this runner, in the plan's
  // constants or in the inputs, until the next run. Allocates nothing.
  std::span<const TensorView> run(std::span<const TensorView> inputs);

  std::span<const LayerProfile> profile() const { return profile_; }  // of the last run
  int64_t arena_bytes() const { return arena_.bytes(); }
  int64_t scratch_bytes() const { return scratch_.bytes(); }

 private:
  using Clock = std::chrono::steady_clock;

  void describe_steps();
  void bind_inputs(std::span<const TensorView> inputs);
  void run_steps();
  void run_step(const plan::Step& step, const std::byte* const* operands);
  void run_group(const plan::StripedGroup& group, const std::byte* const* operands);
  void note_times(size_t first, size_t end, Clock::time_point begin, Clock::time_point start);

  // A slot of operands_ or outputs_ that follows the caller's input.
  struct InputUse {
    size_t slot = 0;
    size_t input = 0;
  };

  ThreadPool& pool_;
  ContextOptions options_;
  std::shared_ptr<const plan::Plan> plan_;
  MemoryBlock arena_;
  MemoryBlock scratch_;
  std::vector<const std::byte*>
      operands_;                       // of all steps one after the other: inputs, then outputs
  std::vector<InputUse> input_uses_;   // slots of operands_
  std::vector<InputUse> output_uses_;  // slots of outputs_
  std::vector<TensorView> outputs_;
  std::vector<LayerProfile> profile_;
  std::vector<double> stripe_seconds_;  // [worker][step] of the group that runs, when profiling
};

}  // namespace inferd::runtime
