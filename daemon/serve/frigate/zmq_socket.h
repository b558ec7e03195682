// SPDX-License-Identifier: Apache-2.0
//
// A ZeroMQ socket that talks to any number of clients (ROUTER). Only this sees the library.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/serve/listening_socket.h"
#include "inferd/engine/status.h"

namespace inferd::serve::frigate {

// What a client sent, or what it is sent, in parts.
struct Message {
  std::string client;  // by which the socket knows it
  std::vector<std::string> parts;
};

// By one thread, but for wake().
class ZmqSocket {
 public:
  // Listens on `address` as ListeningSocket has it, with its errors.
  static Result<std::unique_ptr<ZmqSocket>> listen(const std::string& address, int mode);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  // Until a message has come, or wake() was called. False: it is broken.
  bool wait();
  void wake();  // any thread

  // False: nothing has come. Of a message with more than two parts, the first three.
  bool receive(Message& message);
  // Does not wait. Who has gone meanwhile hears nothing.
  void send(const Message& message);

  const std::string& address() const { return listening_->address(); }

 private:
  ZmqSocket() = default;

  std::unique_ptr<ListeningSocket> listening_;
  int woken_ = -1;  // eventfd
  void* context_ = nullptr;
  void* socket_ = nullptr;
};

}  // namespace inferd::serve::frigate
