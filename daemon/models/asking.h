// SPDX-License-Identifier: Apache-2.0
//
// What of a request decides which version it goes to, where it names none.
#pragma once

#include <string>
#include <vector>

#include "daemon/schedule/request.h"

namespace inferd::models {

// Who asks, as far as the protocol knows.
class Caller {
 public:
  virtual ~Caller() = default;
  // All that it can be chosen by (config/client_name.h). Asked only while a canary is for chosen
  // clients, under a lock: does not wait, and calls no repository.
  virtual std::vector<std::string> keys() const = 0;
};

// Borrowed for the call; null: nobody in particular, no sequence.
struct Asking {
  const Caller* caller = nullptr;
  const schedule::Sequence* sequence = nullptr;
};

}  // namespace inferd::models
