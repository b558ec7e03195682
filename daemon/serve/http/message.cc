// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/message.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace inferd::serve {
namespace {

// The Connect protocol's codes and their statuses. The last stands for what nobody names.
struct Coded {
  StatusCode code;
  int http;
  std::string_view name;
};
constexpr std::array<Coded, 14> kCoded = {{
    {StatusCode::kInvalidArgument, 400, "invalid_argument"},
    {StatusCode::kFailedPrecondition, 400, "failed_precondition"},
    {StatusCode::kOutOfRange, 400, "out_of_range"},
    {StatusCode::kPermissionDenied, 403, "permission_denied"},
    {StatusCode::kNotFound, 404, "not_found"},
    {StatusCode::kAlreadyExists, 409, "already_exists"},
    {StatusCode::kResourceExhausted, 429, "resource_exhausted"},
    {StatusCode::kCancelled, 499, "canceled"},
    {StatusCode::kInternal, 500, "internal"},
    {StatusCode::kDataLoss, 500, "data_loss"},
    {StatusCode::kUnimplemented, 501, "unimplemented"},
    {StatusCode::kUnavailable, 503, "unavailable"},
    {StatusCode::kDeadlineExceeded, 504, "deadline_exceeded"},
    {StatusCode::kUnknown, 500, "unknown"},
}};

Response coded(int http, std::string_view code, const std::string& message) {
  Response response = json_response(nlohmann::ordered_json{{"code", code}, {"message", message}});
  response.code = http;
  return response;
}

}  // namespace

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

const std::string* Request::asked(const std::string& name) const {
  const auto at = query.find(name);
  return at == query.end() ? nullptr : &at->second;
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

Response failure_response(int code, const std::string& message) {
  Response response =
      json_response(nlohmann::ordered_json{{"success", false}, {"error", message}, {"code", code}});
  response.code = code;
  return response;
}

Response coded_error(const Status& status) {
  const auto row = std::find_if(kCoded.begin(), kCoded.end() - 1,
                                [&](const Coded& c) { return c.code == status.code(); });
  return coded(row->http, row->name, status.message());
}

Response coded_error(int code, const std::string& message) {
  // A status that several codes have is the first one's.
  const auto row = std::find_if(kCoded.begin(), kCoded.end() - 1,
                                [&](const Coded& c) { return c.http == code; });
  const std::string_view name = code == 401   ? "unauthenticated"
                                : code == 413 ? "resource_exhausted"
                                : code == 415 ? "invalid_argument"
                                              : row->name;
  return coded(code, name, message);
}

Response json_response(const nlohmann::ordered_json& json) {
  using Json = nlohmann::ordered_json;
  return json_response(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Response json_response(std::string text) { return {200, "application/json", std::move(text)}; }

}  // namespace inferd::serve
