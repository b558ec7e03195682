// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 server around routes: GNU libmicrohttpd with epoll behind plain functions. Only this
// and body_stream see the library.
//
// A fixed number of threads serves any number of clients: while an asynchronous route works, its
// connection is suspended. What clients may take is limited: connections, bytes of a request's
// head, of its body, and of all bodies together, the time of a silence, and the time that a whole
// request or answer takes.
//
// A listener with `tls` encrypts with GnuTLS, which libmicrohttpd of Debian always brings along. A
// listener with rules finds out who is at the other end: the process of a Unix socket and the
// subject of a certificate for each connection, a bearer token for each request. Who lacks what a
// route needs gets 403, and who is nobody at all 401 where a token would help.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/serve/http/router.h"

namespace inferd::serve {

class HttpServer {
 public:
  // Listens on all of `config.http` and serves at once. UNAVAILABLE when an address is taken; the
  // message names it; errors of rules and certificates are Access::create()'s and
  // read_tls_files()'s. The server is a module (daemon/host/module.h), with its errors.
  static Result<std::unique_ptr<HttpServer>> start(const config::ServerConfig& config,
                                                   std::vector<Route> routes);
  virtual ~HttpServer() = default;  // shut_down(0)

  // Where it listens, with the ports that were chosen for port 0, in the configuration's order.
  virtual std::vector<std::string> addresses() const = 0;

  // No new connections, 503 for new requests, streams end. Requests on their way have `timeout_ms`
  // to be received, answered and sent; those that a route works on are waited for longer.
  virtual void shut_down(int64_t timeout_ms) = 0;
};

// What the module has under the name http_server.
using StartHttpServer = Result<std::unique_ptr<HttpServer>> (*)(const config::ServerConfig& config,
                                                                std::vector<Route> routes);

}  // namespace inferd::serve
