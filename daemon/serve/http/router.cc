// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/router.h"

#include <charconv>

namespace inferd::serve {
namespace {

// Longer paths fit no route.
constexpr size_t kMaxSegments = 16;

// "/a/b" -> "a", "b". Nothing for what does not begin with a slash or has too many segments.
std::optional<std::vector<std::string>> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  if (!path.starts_with('/')) return std::nullopt;
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    if (segments.size() == kMaxSegments) return std::nullopt;
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

bool is_capture(const std::string& segment) { return segment.starts_with('{'); }

std::string capture_name(const std::string& segment) {
  return segment.substr(1, segment.size() - 2);
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (is_capture(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
  }
  return true;
}

bool takes(Method method, std::string_view name) {
  return name == method_name(method) || (method == Method::kGet && name == "HEAD");
}

void add_allowed(Method method, std::string& allowed) {
  const std::string_view names = method == Method::kGet ? "GET, HEAD" : method_name(method);
  if (allowed.find(names) != std::string::npos) return;
  if (!allowed.empty()) allowed += ", ";
  allowed += names;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return std::nullopt;
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    unsigned char byte = 0;
    const char* digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
    if (error != std::errc() || end != digits + 2 || byte == 0) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

Router::Router(std::vector<Route> routes) {
  for (Route& route : routes) {
    std::vector<std::string> segments = segments_of(route.pattern).value();
    entries_.push_back({std::move(route), std::move(segments)});
  }
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  std::optional<std::vector<std::string>> segments = segments_of(path);
  if (!segments) return match;
  for (std::string& segment : *segments) {
    std::optional<std::string> decoded = percent_decoded(segment);
    if (!decoded) return match;
    segment = std::move(*decoded);
  }
  for (const Entry& entry : entries_) {
    if (!fits(entry.segments, *segments)) continue;
    add_allowed(entry.route.method, match.allowed);
    if (!takes(entry.route.method, method)) continue;
    match.route = &entry.route;
    for (size_t i = 0; i < segments->size(); ++i) {
      if (is_capture(entry.segments[i]))
        match.captures[capture_name(entry.segments[i])] = std::move((*segments)[i]);
    }
    return match;
  }
  return match;
}

}  // namespace inferd::serve
