// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::runtime {

// What `work` gives, a Status or a Result; RESOURCE_EXHAUSTED where memory runs out: what the
// standard library says by an exception ends at the engine's interface. `to` and `what`
// name the work: "to load " and a file.
template <class Work>
auto within_memory(const Work& work, std::string_view to, std::string_view what = {})
    -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a container that no memory could hold
  }
  return resource_exhausted("there is not enough memory " + std::string(to) + std::string(what));
}

}  // namespace inferd::runtime
