// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/listener_list.h"

#include <nlohmann/json.hpp>

#include "daemon/config/listeners.h"

namespace inferd::config {
namespace {

nlohmann::json to_json(const char* protocol, const Listener& listener) {
  return {{"protocol", protocol},
          {"address", listener.address},
          {"loopback", is_loopback(listener.address)},
          {"tls", listener.tls.has_value()},
          {"rules", !listener.allow.empty()},
          {"at", listener.mark.to_string()}};
}

}  // namespace

std::string listener_list(const ServerConfig& server) {
  nlohmann::json list = nlohmann::json::array();
  for (const GrpcListener& listener : server.grpc) list.push_back(to_json("grpc", listener));
  for (const HttpListener& listener : server.http) list.push_back(to_json("http", listener));
  for (const LocalListener& local : server.local) {
    Listener listener;
    listener.address = "unix:" + local.path;
    listener.allow = local.allow;
    listener.mark = local.mark;
    list.push_back(to_json("local", listener));
  }
  for (const FrigateListener& frigate : server.frigate) {
    Listener listener;  // of a protocol without TLS and rules
    listener.address = frigate.address;
    listener.mark = frigate.mark;
    list.push_back(to_json("frigate", listener));
  }
  return list.dump(2);
}

}  // namespace inferd::config
