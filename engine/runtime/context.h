// SPDX-License-Identifier: Apache-2.0
//
// The memory of one run at a time, and the loop over a plan's steps.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "engine/plan/plan.h"
#include "engine/runtime/memory_block.h"
#include "engine/runtime/model.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

class PlanContext final : public Context {
 public:
  PlanContext(std::shared_ptr<const LoadedModel> model, const ContextOptions& options)
      : model_(std::move(model)), options_(options) {}

  Result<std::span<const TensorView>> run(std::span<const TensorView> inputs) override;
  Status prepare(std::span<const Shape> input_shapes) override;
  std::span<const LayerProfile> profile() const override { return profile_; }
  MemoryUse memory() const override;

 private:
  using Clock = std::chrono::steady_clock;

  bool planned_for(std::span<const TensorView> inputs) const;
  Status use(std::shared_ptr<const plan::Plan> plan);
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

  std::shared_ptr<const LoadedModel> model_;
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
