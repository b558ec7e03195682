// SPDX-License-Identifier: Apache-2.0
//
// A stage of a shared library in a process of its own, seen from the daemon.
#pragma once

#include <memory>
#include <string>

#include "daemon/pipeline/custom/host_process.h"
#include "daemon/pipeline/custom/messages.h"
#include "daemon/pipeline/custom/shared_bytes.h"
#include "daemon/pipeline/frame.h"

namespace inferd::pipeline {

struct HostOptions {
  LibraryStage stage;
  int64_t timeout_ns = 1'000'000'000;  // for a frame
  int64_t memory_bytes = 0;            // that its process may have; 0: any
};

// Of one thread at a time. The process ends with this, and with the thread that started it.
class HostedStage {
 public:
  // Starts a process and waits (not longer than 10 seconds) until the library has made its stage.
  // Errors are those of LoadedStage::load(), UNAVAILABLE: the process died, or cannot be started.
  static Result<std::unique_ptr<HostedStage>> start(const HostOptions& options);

  // Copies the frame's picture and samples for the process, and waits for its answer. `shown` is a
  // view of `frame`. False: the frame is to be left out. `output` is valid until the next call;
  // nobody has checked what it says. INTERNAL: what the stage says went wrong; UNAVAILABLE: the
  // process is dead and this of no more use, and how it died.
  Result<bool> process(const Frame& frame, const inferd_stage_frame& shown,
                       inferd_stage_output& output);

 private:
  explicit HostedStage(int64_t timeout_ns) : timeout_ns_(timeout_ns) {}

  Status copy(const Frame& frame, inferd_stage_frame& shown, bool& is_new);
  Status reserve(size_t bytes, bool& is_new);
  Status exchange(int memory, int64_t timeout_ns);

  const int64_t timeout_ns_;
  HostProcess process_;
  std::unique_ptr<SharedBytes> memory_;
  Bytes packet_;
  HostAnswer answer_;
};

}  // namespace inferd::pipeline
