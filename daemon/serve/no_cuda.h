// SPDX-License-Identifier: Apache-2.0
//
// Triton's CUDA shared memory extension on a machine without CUDA. What clients do to be on the
// safe side, asking what is registered and taking it back, succeeds all the same.
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::serve {

// No region is registered. NOT_FOUND when `name` asks for one.
inline Status check_cuda_region(const std::string& name) {
  if (name.empty()) return ok_status();
  return not_found("there is no CUDA shared memory region '" + name + "': the server has no GPU");
}

// UNIMPLEMENTED.
inline Status register_cuda_region(const std::string& name) {
  return unimplemented("CUDA shared memory region '" + name +
                       "' cannot be registered: the server has no GPU");
}

}  // namespace inferd::serve
