// SPDX-License-Identifier: Apache-2.0
//
// A Stream on its way to one client: pulls while there is something, suspends the connection while
// there is nothing. The library does not look at a suspended connection, so whether the client is
// still there is seen when the stream is woken.
#pragma once

#include <microhttpd.h>

#include <memory>
#include <mutex>
#include <string>

#include "daemon/serve/http/message.h"

namespace inferd::serve {

int fd_of(MHD_Connection* connection);

// The other end's, without the port; empty: it has none.
std::string address_of(MHD_Connection* connection);

// Whether the client has hung up, or sends no more. Any thread.
bool client_gone(int fd);

class BodyStream : public std::enable_shared_from_this<BodyStream> {
 public:
  BodyStream(MHD_Connection* connection, Stream stream)
      : stream_(std::move(stream)), connection_(connection) {}

  // What sends it; the caller destroys it as any response. Calls Stream::start.
  MHD_Response* make_response();

  void wake();    // any thread
  void end();     // any thread; the server stops
  void detach();  // the connection is done with its request

 private:
  static ssize_t read(void* self, uint64_t position, char* buffer, size_t size);
  ssize_t pull(std::span<char> buffer);
  void resume();  // by mutex_

  Stream stream_;  // by the connection's thread
  std::mutex mutex_;
  MHD_Connection* connection_;  // by mutex_; null once detached
  bool woken_ = false;          // by mutex_; since the last pull
  bool suspended_ = false;      // by mutex_
  bool ended_ = false;          // by mutex_
};

}  // namespace inferd::serve
