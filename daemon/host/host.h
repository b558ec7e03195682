// SPDX-License-Identifier: Apache-2.0
//
// The machine and what is done about it, for whoever asks.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "daemon/host/governor/governor.h"
#include "daemon/host/machine/machine.h"

namespace inferd::host {

struct HostState {
  Machine machine;
  std::optional<GovernorState> governor;  // nothing: there is none
};

// Thread-safe. Reads the machine when it is asked.
class Host {
 public:
  // `root` is put before all paths, for tests. Borrows the governor; null: there is none.
  explicit Host(std::string root = "", const Governor* governor = nullptr)
      : root_(std::move(root)), governor_(governor) {}

  HostState state() const {
    HostState state;
    state.machine = read_machine(root_);
    if (governor_ != nullptr) state.governor = governor_->state();
    return state;
  }

 private:
  const std::string root_;
  const Governor* const governor_;
};

}  // namespace inferd::host
