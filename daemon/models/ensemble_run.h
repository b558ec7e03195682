// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "daemon/models/ensemble_plan.h"
#include "daemon/models/repository.h"
#include "daemon/schedule/request.h"

namespace inferd::models {

// One request on its way through the steps of an ensemble. A step is submitted to its model's queue
// as soon as its inputs are there; those that do not need each other run at the same time. What
// passes between steps is copied once; the last step's outputs are not copied.
class EnsembleRun : public std::enable_shared_from_this<EnsembleRun> {
 public:
  // Called once, when no step runs or waits any more: on the thread of the step that was last. The
  // timing is the sum over all steps.
  using Done = std::function<void(const schedule::Outcome&)>;

  // `parts`: of each step. `request` stays where it is until `done` has returned.
  EnsembleRun(std::shared_ptr<const EnsemblePlan> plan,
              std::vector<std::shared_ptr<const ModelVersion>> parts,
              const schedule::Request& request, Done done);

  void start();

 private:
  struct Slot {
    TensorView view;
    std::vector<std::byte> bytes;  // empty: they are the request's, or still the step's
  };

  void submit(size_t step);
  void step_done(size_t step, const schedule::Outcome& outcome);
  void take(size_t step, std::span<const TensorView> outputs, bool copies);
  bool record(const schedule::Outcome& outcome);
  bool settle(size_t step, std::vector<size_t>& ready);
  void leave();
  void finish(const Status& status);

  const std::shared_ptr<const EnsemblePlan> plan_;
  const std::vector<std::shared_ptr<const ModelVersion>> parts_;
  const schedule::Request& request_;
  const Done done_;
  std::thread::id caller_;                       // who may compute steps itself; of nobody: none
  std::vector<Slot> tensors_;                    // each written by one step, before its readers run
  std::vector<std::vector<TensorView>> inputs_;  // of each step; valid until it is done

  std::mutex mutex_;
  // By mutex_.
  std::vector<int> missing_;  // inputs of each step that are to be written
  size_t left_;               // steps whose outputs are not there
  int under_way_ = 0;         // steps submitted or in the middle of being answered
  Status failed_;             // the first failure
  schedule::Timing timing_;
};

}  // namespace inferd::models
