// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/ensemble_run.h"

#include <algorithm>
#include <utility>

namespace inferd::models {

using schedule::Outcome;
using schedule::Request;

EnsembleRun::EnsembleRun(std::shared_ptr<const EnsemblePlan> plan,
                         std::vector<std::shared_ptr<const ModelVersion>> parts,
                         const Request& request, Done done)
    : plan_(std::move(plan)),
      parts_(std::move(parts)),
      request_(request),
      done_(std::move(done)),
      tensors_(plan_->tensors.size()),
      inputs_(plan_->steps.size()),
      left_(plan_->steps.size()) {
  for (const EnsemblePlan::Step& step : plan_->steps) missing_.push_back(step.written_inputs);
  for (size_t i = 0; i < plan_->inputs.size(); ++i) {
    tensors_[static_cast<size_t>(plan_->inputs[i])].view = request.inputs[i];
  }
}

void EnsembleRun::start() {
  if (request_.run_here) caller_ = std::this_thread::get_id();
  under_way_ = 1;  // this call: no step that is answered meanwhile ends the run by a failure
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    if (plan_->steps[i].written_inputs == 0) submit(i);
  }
  leave();
}

void EnsembleRun::submit(size_t step) {
  {
    const std::lock_guard lock(mutex_);
    if (!failed_.ok()) return;
    ++under_way_;
  }
  for (const int tensor : plan_->steps[step].inputs) {
    inputs_[step].push_back(tensors_[static_cast<size_t>(tensor)].view);
  }
  Request request;
  request.inputs = inputs_[step];
  request.deadline_ns = request_.deadline_ns;
  request.priority = request_.priority;
  request.timeout_us = request_.timeout_us;
  request.client = request_.client;
  request.sequence = request_.sequence;
  request.run_here = caller_ == std::this_thread::get_id();
  request.cancelled = [this] { return request_.cancelled && request_.cancelled(); };
  // Holds the run; it outlives the queue's call of `cancelled`, too.
  request.done = [self = shared_from_this(), step](const Outcome& outcome) {
    self->step_done(step, outcome);
  };
  parts_[step]->queue->submit(std::move(request));
}

void EnsembleRun::step_done(size_t step, const Outcome& outcome) {
  const bool is_last = record(outcome);
  if (outcome.status.ok()) {
    take(step, outcome.outputs, !is_last);
    std::vector<size_t> ready;
    if (settle(step, ready)) return finish(ok_status());
    for (const size_t next : ready) submit(next);
  }
  leave();
}

// True when every other step is done: nothing can happen between this and the end.
bool EnsembleRun::record(const Outcome& outcome) {
  const std::lock_guard lock(mutex_);
  timing_.queued += outcome.timing.queued;
  timing_.input += outcome.timing.input;
  timing_.compute += outcome.timing.compute;
  timing_.output += outcome.timing.output;
  timing_.batch_size = std::max(timing_.batch_size, outcome.timing.batch_size);
  if (failed_.ok()) failed_ = outcome.status;
  return left_ == 1;
}

void EnsembleRun::take(size_t step, std::span<const TensorView> outputs, bool copies) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int tensor = plan_->steps[step].outputs[i];
    if (tensor == EnsemblePlan::kUnwanted) continue;
    Slot& slot = tensors_[static_cast<size_t>(tensor)];
    slot.view = outputs[i];
    if (!copies) continue;
    slot.bytes.assign(outputs[i].data.begin(), outputs[i].data.end());
    slot.view.data = slot.bytes;
  }
}

// The step's outputs are there. True when it was the last of all; else adds the steps that only
// waited for it to `ready`.
bool EnsembleRun::settle(size_t step, std::vector<size_t>& ready) {
  const std::lock_guard lock(mutex_);
  if (--left_ == 0) return true;
  for (const int tensor : plan_->steps[step].outputs) {
    if (tensor == EnsemblePlan::kUnwanted) continue;
    for (const int reader : plan_->tensors[static_cast<size_t>(tensor)].read_by) {
      const auto next = static_cast<size_t>(reader);
      if (--missing_[next] == 0) ready.push_back(next);
    }
  }
  return false;
}

// The request's inputs are borrowed by every step under way: a failure is answered after the last.
void EnsembleRun::leave() {
  Status failed;
  {
    const std::lock_guard lock(mutex_);
    if (--under_way_ > 0) return;
    failed = failed_;
  }
  if (!failed.ok()) finish(failed);
}

void EnsembleRun::finish(const Status& status) {
  std::vector<TensorView> outputs;
  if (status.ok()) {
    for (const int tensor : plan_->outputs) {
      outputs.push_back(tensors_[static_cast<size_t>(tensor)].view);
    }
  }
  done_({status, outputs, timing_});
}

}  // namespace inferd::models
