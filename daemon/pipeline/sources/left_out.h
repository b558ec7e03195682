// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "daemon/telemetry/log.h"

namespace inferd::pipeline {

// Counts what a source leaves out, and says so in the log: the first, second, fourth, eighth, ...
// time, as the log must not fill.
class LeftOut {
 public:
  // `what`: "source lines: /dev/ttyUSB0: a line is left out".
  explicit LeftOut(std::string what) : what_(std::move(what)) {}

  void add(const std::string& why) {
    ++count_;
    if ((count_ & (count_ - 1)) != 0) return;
    telemetry::log(LogLevel::kWarning,
                   what_ + ": " + why + " (" + std::to_string(count_) + " so far)");
  }
  uint64_t count() const { return count_; }

 private:
  std::string what_;
  uint64_t count_ = 0;
};

}  // namespace inferd::pipeline
