// SPDX-License-Identifier: Apache-2.0
//
// What is looked at before a request is served: who sends it, and, as browsers send requests for
// any page that asks them to, whether that page is one of the daemon's own.
//
// A page of another site can have a browser send requests to this machine. Browsers then say where
// the page is from (Sec-Fetch-Site, Origin), and what changes something is refused. A name server
// can give that site's name this machine's address, and then the browser takes the daemon for that
// site (DNS rebinding): on loopback the name in `Host` must be one of this machine's. No other
// client is hindered: none of them has a reason to send such headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/serve/access.h"
#include "daemon/serve/http/router.h"

namespace inferd::serve {

// Whether a `Host` header names this machine: an address, "localhost", or one of `names`, with or
// without a port.
bool is_own_host(std::string_view host, const std::vector<std::string>& names);

// Whether a page that has the request sent is served by the same host, as far as headers tell. No
// page: true.
bool is_same_origin(const Request& request);

// An answer in the way of the route's errors; null: of no route.
Response refusal(const Route* route, int code, const std::string& message);

// By one listener. Thread-safe.
class Gate {
 public:
  Gate() = default;
  Gate(const config::HttpListener& config, Access access)
      : access_(std::move(access)),
        hosts_(config.hosts),
        checks_hosts_(config.loopback || !config.hosts.empty()) {}

  // Says who sends the request, in it. An answer when it is not to be served: 401 and 403 for who
  // lacks the role, 403 for pages of others, 415 for another Content-Type than the route takes.
  std::optional<Response> check(Request& request, const Route& route) const;

 private:
  std::optional<Response> check_page(const Request& request, const Route& route) const;
  std::optional<Response> check_role(const Request& request, const Route& route) const;

  Access access_;
  std::vector<std::string> hosts_;
  bool checks_hosts_ = false;
};

}  // namespace inferd::serve
