// SPDX-License-Identifier: Apache-2.0
//
// Which MQTT broker, and as whom: what the source and the sink have in common.
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace inferd::pipeline {

struct MqttBroker {
  std::string host = "localhost";  // name or address
  int port = 1883;
  std::string client_id;  // empty: any
  int keepalive_s = 30;
  std::string username, password_file;
  bool tls = false;
  std::string ca, certificate, key;  // PEM files; no ca: the system's

  std::string name() const { return "broker " + host + ":" + std::to_string(port); }
};

// Reads `broker`, `port`, `client_id`, `keepalive_s`, `username`, `password_file`, `tls`, `ca`,
// `cert` and `key`; mistakes that the reader does not see are found by check_broker().
MqttBroker read_broker(config::NodeReader& reader, const config::NodeConfig& node,
                       const std::string& client_id);

// INVALID_ARGUMENT with the key's place: keys that need others, files that cannot be read.
Status check_broker(const config::NodeConfig& node, const MqttBroker& broker);

}  // namespace inferd::pipeline
