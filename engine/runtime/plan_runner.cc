// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/plan_runner.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/kernels/candidates.h"
#include "engine/runtime/run_stripes.h"

namespace inferd::runtime {
namespace {

size_t byte_size(DType dtype, const Shape& shape) {
  return static_cast<size_t>(shape.elements()) * dtype_size(dtype);
}

// What a profile says of a step whatever its time.
LayerProfile describe(const plan::Step& step) {
  LayerProfile layer;
  layer.name = step.name;
  layer.op = op_name(step.op.kind);
  layer.kernel = step.kernel->name;
  layer.isa = isa_name(step.kernel->isa);
  for (const kernels::Kernel* kernel : kernels::declining(step.op, *step.kernel)) {
    layer.declined.emplace_back(kernel->name);
  }
  layer.macs = step.macs;
  for (const kernels::Operand& x : step.op.inputs) {
    const bool packed = x.is_constant() && step.packed != nullptr;
    if (!packed) layer.bytes += static_cast<int64_t>(x.bytes());
  }
  if (step.packed != nullptr) layer.bytes += static_cast<int64_t>(step.packed->bytes());
  for (const kernels::Operand& y : step.op.outputs) layer.bytes += static_cast<int64_t>(y.bytes());
  return layer;
}

}  // namespace

// Resolves every operand to a pointer once, so that a run only patches those that follow the
// inputs.
Status PlanRunner::use(std::shared_ptr<const plan::Plan> plan) {
  if (arena_.bytes() < plan->arena_bytes) {
    INFERD_ASSIGN_OR_RETURN(arena_, MemoryBlock::allocate(plan->arena_bytes));
  }
  if (scratch_.bytes() < plan->scratch_bytes) {
    INFERD_ASSIGN_OR_RETURN(scratch_, MemoryBlock::allocate(plan->scratch_bytes));
  }
  plan_ = std::move(plan);
  operands_.clear();
  input_uses_.clear();
  output_uses_.clear();
  outputs_.clear();

  const auto resolve = [&](const plan::Location& at, size_t slot,
                           std::vector<InputUse>& uses) -> const std::byte* {
    switch (at.base) {
      case plan::Location::Base::kConstant:
        return at.constant;
      case plan::Location::Base::kArena:
        return arena_.data() + at.offset;
      case plan::Location::Base::kStripe:
        return nullptr;
      case plan::Location::Base::kInput:
        break;
    }
    uses.push_back({slot, static_cast<size_t>(at.offset)});
    return nullptr;
  };
  for (const plan::Step& step : plan_->steps) {
    for (const auto* places : {&step.inputs, &step.outputs}) {
      for (const plan::Location& at : *places) {
        operands_.push_back(resolve(at, operands_.size(), input_uses_));
      }
    }
  }
  for (size_t i = 0; i < plan_->outputs.size(); ++i) {
    const TensorInfo& info = plan_->outputs[i];
    const std::byte* data = resolve(plan_->output_locations[i], i, output_uses_);
    outputs_.push_back({info.dtype, info.shape, {data, byte_size(info.dtype, info.shape)}});
  }
  profile_.clear();
  if (options_.profile) describe_steps();
  return ok_status();
}

void PlanRunner::describe_steps() {
  for (const plan::Step& step : plan_->steps) profile_.push_back(describe(step));
  size_t most = 0;
  for (const plan::StripedGroup& group : plan_->stripes) {
    for (size_t s = group.first; s < group.end(); ++s) {
      profile_[s].stripes = group.images * group.stripes;
    }
    most = std::max(most, group.steps.size());
  }
  stripe_seconds_.resize(most * static_cast<size_t>(pool_.threads()));
}

std::span<const TensorView> PlanRunner::run(std::span<const TensorView> inputs) {
  bind_inputs(inputs);
  run_steps();
  return outputs_;
}

void PlanRunner::bind_inputs(std::span<const TensorView> inputs) {
  for (const InputUse& use : input_uses_) operands_[use.slot] = inputs[use.input].data.data();
  for (const InputUse& use : output_uses_) outputs_[use.slot].data = inputs[use.input].data;
}

void PlanRunner::run_steps() {
  const std::byte* const* operands = operands_.data();
  const Clock::time_point begin = options_.profile ? Clock::now() : Clock::time_point();
  auto group = plan_->stripes.begin();
  for (size_t s = 0; s < plan_->steps.size();) {
    const Clock::time_point start = options_.profile ? Clock::now() : Clock::time_point();
    const bool striped = group != plan_->stripes.end() && group->first == s;
    const size_t end = striped ? group->end() : s + 1;
    if (striped) {
      run_group(*group++, operands);
    } else {
      run_step(plan_->steps[s], operands);
    }
    if (options_.profile) note_times(s, end, begin, start);
    for (; s < end; ++s) operands += plan_->steps[s].inputs.size() + plan_->steps[s].outputs.size();
  }
}

void PlanRunner::run_group(const plan::StripedGroup& group, const std::byte* const* operands) {
  std::fill(stripe_seconds_.begin(), stripe_seconds_.end(), 0.);
  run_stripes({.plan = *plan_,
               .group = group,
               .operands = operands,
               .scratch = scratch_.data(),
               .pool = pool_,
               .max_threads = options_.threads,
               .seconds = stripe_seconds_});
}

// Steps [first, end) have just run, together where they are several: then each gets of the time
// what its share was of the workers' time.
void PlanRunner::note_times(size_t first, size_t end, Clock::time_point begin,
                            Clock::time_point start) {
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const double took = seconds(Clock::now() - start);
  const size_t count = end - first;
  const double all = std::accumulate(stripe_seconds_.begin(), stripe_seconds_.end(), 0.);
  double at = seconds(start - begin);
  for (size_t s = first; s < end; ++s) {
    double share = 1;
    if (count > 1) {
      double own = 0;
      for (size_t i = s - first; i < stripe_seconds_.size(); i += count) own += stripe_seconds_[i];
      share = own / std::max(all, 1e-9);
    }
    const double own = std::max(took * share, 1e-9);
    LayerProfile& layer = profile_[s];
    layer.start_ms = at * 1e3;
    layer.ms = own * 1e3;
    layer.gmacs_per_s = static_cast<double>(layer.macs) / own * 1e-9;
    layer.gbytes_per_s = static_cast<double>(layer.bytes) / own * 1e-9;
    at += own;
  }
}

void PlanRunner::run_step(const plan::Step& step, const std::byte* const* operands) {
  constexpr size_t kMaxOutputs = 8;  // ir::verify allows no operator with more
  std::array<std::byte*, kMaxOutputs> outputs{};
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    // An output always lies in this context's arena; operands_ is const because inputs share the
    // list.
    outputs[i] = const_cast<std::byte*>(operands[step.inputs.size() + i]);
  }
  step.kernel->run({.op = step.op,
                    .packed = step.packed.get(),
                    .prepared = step.prepared.get(),
                    .inputs = {operands, step.inputs.size()},
                    .outputs = {outputs.data(), step.outputs.size()},
                    .scratch = scratch_.data(),
                    .pool = pool_,
                    .max_threads = options_.threads,
                    .lines = nullptr,
                    .pixel_stride = step.pixel_stride,
                    .placed = step.placed});
}

}  // namespace inferd::runtime
