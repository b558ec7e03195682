// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/options.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace inferd::pipeline {

std::string fill_in(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    const std::string hole = "{" + name + "}";
    for (size_t at = text.find(hole); at != std::string::npos;
         at = text.find(hole, at + value.size())) {
      text.replace(at, hole.size(), value);
    }
  }
  return text;
}

std::string class_name(const std::string& label, int class_id) {
  return label.empty() ? "class " + std::to_string(class_id) : label;
}

bool parse_address(const std::string& text, SocketAddress& out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port == 0) return false;
  std::string host = text.substr(0, colon);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
    return true;
  }
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return false;
  std::memcpy(&out.storage, &v6, sizeof v6);
  out.size = sizeof v6;
  return true;
}

bool is_loopback(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address.storage, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
  }
  sockaddr_in v4;
  std::memcpy(&v4, &address.storage, sizeof v4);
  return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
}

std::string way_of(const FrameResult& result) { return result.node + "\n" + result.source; }

bool Changes::changed(const FrameResult& result) {
  std::set<std::string> now;
  for (const Detection& d : result.detections) {
    now.insert("detection " + class_name(d.label, d.class_id) + " " + std::to_string(d.track_id) +
               " " + d.text);
  }
  if (!result.classes.empty())
    now.insert("class " + class_name(result.classes[0].label, result.classes[0].class_id));
  if (!result.text.empty()) now.insert("text " + result.text);
  const auto [last, first_time] = last_.try_emplace(way_of(result));
  if (!first_time && last->second == now) return false;
  last->second = std::move(now);
  return true;
}

Choice Choice::from(config::NodeReader& reader, const std::string& fallback) {
  return Choice(reader.one_of("on", fallback, {"every", "detections", "changes"}));
}

bool Choice::takes(const FrameResult& result) {
  if (on_ == "detections") return !result.detections.empty();
  return on_ == "every" || changes_.changed(result);
}

Status Troubles::next(const SinkStatus& status) {
  if (status.last_error == told_) return ok_status();
  told_ = status.last_error;
  return unavailable(told_);
}

}  // namespace inferd::pipeline
