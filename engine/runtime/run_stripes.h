// SPDX-License-Identifier: Apache-2.0
//
// Runs a striped group of a plan (see plan/stripes.h).
#pragma once

#include <cstddef>
#include <span>

#include "engine/base/thread_pool.h"
#include "engine/plan/plan.h"

namespace inferd::runtime {

struct StripeRun {
  const plan::Plan& plan;
  const plan::StripedGroup& group;
  const std::byte* const* operands;  // of the group's steps one after the other: inputs, then
                                     // outputs; null where Location says kStripe
  std::byte* scratch;                // group.worker_bytes for each worker of the pool
  ThreadPool& pool;
  int max_threads = 0;        // of the pool; 0: all
  std::span<double> seconds;  // what each worker spent in each step is added to
                              // [worker][step]; empty: nobody asks
};

// The calling thread takes part. Allocates nothing.
void run_stripes(const StripeRun& run);

}  // namespace inferd::runtime
