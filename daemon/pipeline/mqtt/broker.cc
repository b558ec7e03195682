// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/mqtt/broker.h"

#include "daemon/pipeline/keys.h"

namespace inferd::pipeline {

MqttBroker read_broker(config::NodeReader& reader, const config::NodeConfig& node,
                       const std::string& client_id) {
  MqttBroker b;
  b.host = reader.text("broker", b.host);
  b.ca = path_key(reader, node, "ca");
  b.tls = reader.boolean("tls", !b.ca.empty());
  b.certificate = path_key(reader, node, "cert");
  b.key = path_key(reader, node, "key");
  b.port = static_cast<int>(reader.integer("port", b.tls ? 8883 : 1883, 1, 65535));
  b.client_id = reader.text("client_id", client_id);
  b.username = reader.text("username", "");
  b.password_file = path_key(reader, node, "password_file");
  b.keepalive_s = static_cast<int>(reader.integer("keepalive_s", b.keepalive_s, 5, 65535));
  return b;
}

Status check_broker(const config::NodeConfig& node, const MqttBroker& b) {
  if (!b.password_file.empty() && b.username.empty())
    return bad_key(node, "password_file", "'password_file' needs a 'username'");
  if (b.certificate.empty() != b.key.empty())
    return bad_key(node, "cert", "'cert' and 'key' need each other");
  if (!b.certificate.empty() && !b.tls)
    return bad_key(node, "cert", "'cert' needs 'ca' or 'tls: true'");
  INFERD_RETURN_IF_ERROR(check_readable(node, "ca", b.ca));
  INFERD_RETURN_IF_ERROR(check_readable(node, "cert", b.certificate));
  INFERD_RETURN_IF_ERROR(check_readable(node, "key", b.key));
  return check_readable(node, "password_file", b.password_file);
}

}  // namespace inferd::pipeline
