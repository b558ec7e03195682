// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/pipeline/source.h"
#include "daemon/pipeline/sources/can_socket.h"

namespace inferd::pipeline {

struct CanOptions {
  std::string interface;
  std::vector<CanSignal> signals;  // the columns
  bool on_change = false;          // else with every frame that has a signal
  int64_t rows = 1;                // of a frame of samples
  int64_t timeout_ms = 0;          // without a frame; 0: any time
};

using OpenCan = std::function<Result<Descriptor>(const std::string&, std::span<const CanSignal>)>;

// The source `can` over what `open` opens, which is open_can() but in tests.
std::unique_ptr<Source> make_can_source(CanOptions options, OpenCan open);

}  // namespace inferd::pipeline
