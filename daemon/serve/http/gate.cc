// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/gate.h"

#include <arpa/inet.h>
#include <strings.h>

#include <algorithm>
#include <array>

namespace inferd::serve {
namespace {

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Without its port, and without the brackets of IPv6. Empty: it is no host.
std::string_view name_in(std::string_view host) {
  const bool in_brackets = host.starts_with('[');
  const size_t end = std::min(host.find(in_brackets ? ']' : ':'), host.size());
  const std::string_view name = in_brackets ? host.substr(1, end - 1) : host.substr(0, end);
  std::string_view rest = host.substr(end);
  if (in_brackets && !rest.empty()) rest.remove_prefix(1);
  const bool is_port = rest.starts_with(':') && rest.size() > 1 &&
                       rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return rest.empty() || is_port ? name : std::string_view();
}

bool is_address(std::string_view name) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  const std::string text(name);
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

// "application/json; charset=utf-8" is "application/json".
bool has_type(const std::string* header, std::string_view type) {
  if (header == nullptr) return false;
  std::string_view said = std::string_view(*header).substr(0, header->find(';'));
  while (said.ends_with(' ') || said.ends_with('\t')) said.remove_suffix(1);
  return same_text(said, type);
}

}  // namespace

bool is_own_host(std::string_view host, const std::vector<std::string>& names) {
  const std::string_view name = name_in(host);
  // Nobody can have an address mean another one.
  if (same_text(name, "localhost") || is_address(name)) return true;
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& own) { return same_text(own, name); });
}

bool is_same_origin(const Request& request) {
  // "none": no page, but who uses the browser.
  if (const std::string* site = request.header("Sec-Fetch-Site"))
    return *site == "same-origin" || *site == "none";
  const std::string* origin = request.header("Origin");
  if (origin == nullptr) return true;
  const std::string* host = request.header("Host");
  const size_t scheme = origin->find("://");
  return host != nullptr && scheme != std::string::npos &&
         same_text(std::string_view(*origin).substr(scheme + 3), *host);
}

Response refusal(const Route* route, int code, const std::string& message) {
  if (route != nullptr && route->tells_success) return failure_response(code, message);
  const bool coded = route != nullptr && route->coded_errors;
  return coded ? coded_error(code, message) : error_response(code, message);
}

std::optional<Response> Gate::check(Request& request, const Route& route) const {
  if (auto refused = check_page(request, route)) return refused;
  Peer peer = access_.is_open() ? Peer() : request.peer();
  if (const std::string* header = request.header("Authorization"))
    peer.token = bearer_token(*header);
  request.roles = access_.roles_of(peer);
  request.takes_tokens = access_.takes_tokens();
  return check_role(request, route);
}

std::optional<Response> Gate::check_page(const Request& request, const Route& route) const {
  const std::string* host = request.header("Host");
  if (checks_hosts_ && host != nullptr && !is_own_host(*host, hosts_)) {
    return refusal(&route, 403,
                   "'" + *host +
                       "' is no name of this daemon: ask by an address or as localhost, or list "
                       "the name under 'hosts' of the listener");
  }
  const bool only_reads = route.method == Method::kGet && !route.same_origin;
  if (!only_reads && !is_same_origin(request))
    return refusal(&route, 403, "pages of other sites may not do that");
  if (!route.takes.empty() && !has_type(request.header("Content-Type"), route.takes))
    return refusal(&route, 415, "the Content-Type must be " + route.takes);
  return std::nullopt;
}

// Nothing when the caller has what the route needs.
std::optional<Response> Gate::check_role(const Request& request, const Route& route) const {
  if (route.needs == Needs::kNothing || access_.is_open()) return std::nullopt;
  const std::string what = std::string(method_name(route.method)) + " " + route.pattern;
  const Status allowed = check_needs(request.roles, route.needs, what);
  if (allowed.ok()) return std::nullopt;
  if (request.roles != Roles() || !access_.takes_tokens())
    return refusal(&route, 403, allowed.message());
  // RFC 6750, 3.
  Response answer = refusal(&route, 401, allowed.message());
  const bool showed_one = request.header("Authorization") != nullptr;
  answer.headers.emplace_back(
      "WWW-Authenticate",
      std::string("Bearer realm=\"inferd\"") + (showed_one ? ", error=\"invalid_token\"" : ""));
  return answer;
}

}  // namespace inferd::serve
