// SPDX-License-Identifier: Apache-2.0
//
// Who asks, for limits on each (schedule::Request::client): one connection, whatever it speaks.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace inferd::serve {

// A number that no other connection of the process gets. Thread-safe.
uint64_t new_client();

// The number of a connection that its protocol knows by a name, which no other one that is open
// has; never one that new_client() gives.
inline uint64_t client_called(std::string_view name) {
  constexpr uint64_t kNamed = uint64_t{1} << 63;
  return std::hash<std::string_view>()(name) | kNamed;
}

}  // namespace inferd::serve
