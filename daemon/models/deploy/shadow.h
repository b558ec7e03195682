// SPDX-License-Identifier: Apache-2.0
//
// A version that answers nobody: of the requests that another version answers, some are run by it,
// too, and the answers compared. Costs the clients a copy of those requests, and the machine the
// runs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/models/deploy/agreement.h"
#include "daemon/models/repository.h"
#include "daemon/schedule/watched_queue.h"

namespace inferd::models {

// Watches the version that answers. Requests of sequences are left alone: a sequence goes to one
// version as a whole.
class Shadow final : public schedule::Observer, public std::enable_shared_from_this<Shadow> {
 public:
  struct Counts {
    uint64_t compared = 0, agreed = 0;
    uint64_t failed = 0;                   // by the shadow alone
    uint64_t skipped = 0;                  // it had too much to do already
    int64_t answer_ns = 0, shadow_ns = 0;  // of compute, of those compared
    std::string difference;                // the last one
  };

  // Takes `fraction` of the requests that `answers` answers, above 0 and at most 1. Both have the
  // same inputs and outputs (check_same_interface()).
  Shadow(const ModelVersion& answers, std::shared_ptr<const ModelVersion> shadow, double fraction,
         const Tolerance& tolerance);

  void observe(schedule::Request& request) override;
  Counts counts() const;

 private:
  struct Copy;  // of a request and its answer

  bool take();
  void run(const std::shared_ptr<Copy>& copy);
  void compare(const Copy& copy, const schedule::Outcome& outcome);

  const std::shared_ptr<const ModelVersion> shadow_;
  std::vector<Quantization> answers_;  // of the outputs that are answered
  const double fraction_;
  const Tolerance tolerance_;
  mutable std::mutex mutex_;
  double share_ = 0;  // by mutex_
  int running_ = 0;   // by mutex_
  Counts counts_;     // by mutex_
};

}  // namespace inferd::models
