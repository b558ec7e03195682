// SPDX-License-Identifier: Apache-2.0
//
// What routes see of HTTP: a request, received whole, and the answer to it. Nothing here knows the
// library that serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/serve/access.h"
#include "inferd/engine/status.h"

namespace inferd::serve {

enum class Method { kGet, kPost, kPut };  // HEAD is a GET whose answer keeps its body for itself

inline std::string_view method_name(Method method) {
  return method == Method::kGet ? "GET" : method == Method::kPost ? "POST" : "PUT";
}

// The Content-Type of forms with files.
inline constexpr char kForm[] = "multipart/form-data";

// Header names are compared without regard to case.
struct IgnoringCase {
  bool operator()(std::string_view a, std::string_view b) const;
};

// Immutable once it was handed to a route.
struct Request {
  std::map<std::string, std::string, IgnoringCase> headers;  // the first of those that stand twice
  std::map<std::string, std::string> captures;  // by the names in the route's pattern, decoded
  std::map<std::string, std::string> query;     // behind '?', decoded; the first of two
  std::string body;                             // unpacked, if it came compressed
  // Instead of `body`, of a route that takes kForm: values, and contents of files, by name; of a
  // name that stands several times, one after the other.
  std::map<std::string, std::string> form;
  uint64_t client = 0;         // its connection; as schedule::Request::client
  std::function<Peer()> peer;  // who sent it; only on the thread that calls the route, meanwhile
  Roles roles;                 // of who sent it
  bool takes_tokens = false;   // another token could give other roles
  // Has the client hung up, or said that it sends no more? Any thread; cheap; only until the
  // request is answered.
  std::function<bool()> client_gone;

  // Null when the header is not there.
  const std::string* header(std::string_view name) const;
  // Empty when the pattern does not have it.
  std::string capture(std::string_view name) const;
  // Null when the query does not have it.
  const std::string* asked(const std::string& name) const;
};

// Part of a body that is made while it is sent.
struct Chunk {
  size_t bytes = 0;    // written into the span; 0: nothing for now
  bool ended = false;  // nothing will come any more; `bytes` is 0
};

// Wakes a stream that had nothing to say. Any thread, also after the client has gone.
using Wake = std::function<void()>;

// A body without known end (pictures, events). `pull` fills the beginning of the span; it must not
// block. Called by one thread at a time, and not any more once the client has gone or the server
// stops; then it is destroyed. `start`, called once before, gets what wakes the stream after a
// chunk of 0 bytes; while a stream sleeps, nobody notices that its client has gone, so one that
// may have nothing for long is to be woken all the same from time to time.
struct Stream {
  std::function<void(Wake)> start;
  std::function<Chunk(std::span<char>)> pull;
};

struct Response {
  int code = 200;
  std::string content_type;  // empty: no such header
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::optional<Stream> stream = {};  // instead of `body`
};

// 200 for OK. The map is Triton's where it has one: INTERNAL 500, NOT_FOUND 404, UNAVAILABLE 503,
// UNIMPLEMENTED 501, all else 400; a role that is missing is 403, a full queue 503, a missed
// deadline 504.
int http_code(StatusCode code);

// {"error": "message"}.
Response error_response(int code, const std::string& message);
Response error_response(const Status& status);

// {"code": "not_found", "message": "..."}, as the Connect protocol has it, with its HTTP status.
Response coded_error(const Status& status);
// The same of an answer that has one already.
Response coded_error(int code, const std::string& message);

// {"success": false, "error": "message", "code": 400}, as DeepStack and CodeProject.AI have it.
Response failure_response(int code, const std::string& message);

// `text` is JSON already.
Response json_response(std::string text);
// Bytes that are no UTF-8 (a model's tensor may have any name) are replaced.
Response json_response(const nlohmann::ordered_json& json);

}  // namespace inferd::serve
