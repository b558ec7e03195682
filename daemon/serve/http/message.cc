// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/message.h"

#include <strings.h>

#include <algorithm>

namespace inferd::serve {

bool IgnoringCase::operator()(std::string_view a, std::string_view b) const {
  const int order = ::strncasecmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order != 0 ? order < 0 : a.size() < b.size();
}

const std::string* Request::header(std::string_view name) const {
  const auto at = headers.find(std::string(name));
  return at == headers.end() ? nullptr : &at->second;
}

std::string Request::capture(std::string_view name) const {
  const auto at = captures.find(std::string(name));
  return at == captures.end() ? std::string() : at->second;
}

int http_code(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kInternal:
      return 500;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kUnavailable:
    case StatusCode::kResourceExhausted:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 400;
  }
}

Response error_response(int code, const std::string& message) {
  Response response = json_response(nlohmann::ordered_json{{"error", message}});
  response.code = code;
  return response;
}

Response error_response(const Status& status) {
  return error_response(http_code(status.code()), status.message());
}

Response json_response(const nlohmann::ordered_json& json) {
  using Json = nlohmann::ordered_json;
  return json_response(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Response json_response(std::string text) { return {200, "application/json", std::move(text)}; }

}  // namespace inferd::serve
