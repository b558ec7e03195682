// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/pipeline/mqtt/broker.h"
#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/sinks/message_buffer.h"

namespace inferd::pipeline {

struct MqttOptions {
  MqttBroker broker;
  int qos = 1;
  bool retain = false;       // of messages of the buffer
  std::string availability;  // topic: "online" or "offline"; empty: none
};

// A connection to an MQTT broker (3.1.1), in a thread of its own, that is made again whenever it is
// gone. Sends the messages of a buffer in order, each until it is acknowledged (QoS 0: written to
// the socket), so that after a lost connection one may arrive twice, whatever its QoS; and the
// newest value of each topic that was set. Thread-safe.
class MqttClient {
 public:
  // Borrows the buffer. Connects from now on.
  MqttClient(MqttOptions options, MessageBuffer& buffer);
  // Sends what it can in one second, and says that it is offline. A name server that does not
  // answer is waited for.
  ~MqttClient();
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  void wake();  // the buffer has grown
  // A value that the broker keeps for whoever subscribes. The caller bounds the number of topics.
  void set(const std::string& topic, const std::string& value);
  SinkStatus status() const;

 private:
  class Session;
  struct Kept {
    std::string value;
    bool sent = false;  // over this connection
  };

  void run();
  bool pause(int64_t ns);
  bool next_kept(std::string& topic, std::string& value);
  void begin_session();
  void refuse(const std::string& error);

  const MqttOptions options_;
  MessageBuffer& buffer_;
  const int wake_fd_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by mutex_, as all below
  bool kept_changed_ = false;
  std::string state_ = "connecting", last_error_;
  uint64_t refused_ = 0;  // messages that cannot be sent at all

  std::thread thread_;
};

}  // namespace inferd::pipeline
