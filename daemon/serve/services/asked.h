// SPDX-License-Identifier: Apache-2.0
//
// What the calls of our own services know of whoever makes them, whichever protocol they came by:
// gRPC's services and the routes of HTTP are two faces of the same classes.
#pragma once

#include <cstdint>
#include <functional>

#include "daemon/serve/access.h"

namespace inferd::serve {

struct Asked {
  Roles roles;
  int64_t left_ms = INT64_MAX;  // until the call's deadline, when it began
  // Has the caller gone? Asked from time to time by calls that take long. Empty: nobody knows.
  std::function<bool()> cancelled = {};
};

// Where a stream of answers goes.
template <typename Message>
struct Answers {
  // Called once, before the first answer: the caller may, and there is what it asks for.
  std::function<void()> begin;
  // May wait until there is room; false: the caller has gone.
  std::function<bool(const Message&)> write;
};

// Where a stream of requests comes from. False: there is nothing more.
template <typename Message>
using Read = std::function<bool(Message&)>;

// How often a stream without answers looks whether its caller is still there.
inline constexpr int64_t kCheckCallerMs = 1000;

}  // namespace inferd::serve
