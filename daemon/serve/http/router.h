// SPDX-License-Identifier: Apache-2.0
//
// The table of routes: which function answers which method and path.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/serve/access.h"
#include "daemon/serve/http/message.h"

namespace inferd::serve {

// Answers at once, on a thread of the server: must not block.
using SyncHandler = std::function<Response(const Request&)>;

// An answer, or what makes it: that is called on a thread of the server, where it may take the time
// that writing a large one needs.
using Answer = std::variant<Response, std::function<Response()>>;

// Answers by calling `done` exactly once, at any time and on any thread; may have called it when it
// returns. Meanwhile no thread waits. The request lives as long as somebody holds it.
using Done = std::function<void(Answer)>;
using AsyncHandler = std::function<void(std::shared_ptr<const Request>, Done)>;

using Handler = std::variant<SyncHandler, AsyncHandler>;

// A pattern is a path, of at most 16 segments, that may be names in braces, which take any segment
// but an empty one: "/v2/models/{model}/ready". The first route that fits wins. Whoever asks
// without what the route needs is refused before the handler sees anything.
struct Route {
  Method method;
  std::string pattern;
  Needs needs;
  Handler handler;
  std::string takes = {};      // the Content-Type that a body must have; empty: any
  bool same_origin = false;    // GET, too, is not for pages of other sites
  bool coded_errors = false;   // errors are coded_error()s, not error_response()s
  bool tells_success = false;  // errors are failure_response()s
};

// Thread-safe once made.
class Router {
 public:
  explicit Router(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;  // null: see `allowed`
    std::map<std::string, std::string> captures;
    std::string allowed;  // methods of the routes that have the path, "GET, HEAD"; empty: none has
  };

  // `path` as it stands in the request, without the query. Segments are percent-decoded one by one,
  // so that %2F does not end one. A path with a malformed escape or a NUL, escaped or not, fits no
  // route.
  Match match(std::string_view method, std::string_view path) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
  };
  std::vector<Entry> entries_;
};

// "a%20b" -> "a b"; nothing for a malformed escape or a NUL, escaped or not.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace inferd::serve
