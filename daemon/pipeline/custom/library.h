// SPDX-License-Identifier: Apache-2.0
//
// A stage of a shared library, in this process: the daemon or the stage host.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/stage.h"

namespace inferd::pipeline {

// Where a stage comes from, and the keys that are the library's own.
struct LibraryStage {
  std::string library;  // path
  std::string symbol;   // of its inferd_stage_functions
  std::vector<std::pair<std::string, std::string>> options;
};

// Of one thread at a time.
class LoadedStage {
 public:
  // NOT_FOUND: the library cannot be loaded or lacks the symbol; FAILED_PRECONDITION: it was built
  // for another version of inferd/stage.h; INVALID_ARGUMENT: it refuses its options, and why.
  static Result<std::unique_ptr<LoadedStage>> load(const LibraryStage& from);
  ~LoadedStage();
  LoadedStage(const LoadedStage&) = delete;
  LoadedStage& operator=(const LoadedStage&) = delete;

  // False: the frame is to be left out. `output` points to the stage's memory until the next call;
  // nobody has checked it. INTERNAL: what the stage says went wrong.
  Result<bool> process(const inferd_stage_frame& frame, inferd_stage_output& output);

 private:
  LoadedStage() = default;

  struct Close {
    void operator()(void* library) const;
  };
  std::unique_ptr<void, Close> library_;
  const inferd_stage_functions* functions_ = nullptr;  // of the library
  void* stage_ = nullptr;                              // made by the library, if `made_`
  bool made_ = false;
};

}  // namespace inferd::pipeline
