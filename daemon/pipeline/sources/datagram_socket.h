// SPDX-License-Identifier: Apache-2.0
//
// Sockets that datagrams come to.
#pragma once

#include <string>

#include "daemon/pipeline/sources/wait.h"
#include "inferd/engine/status.h"

namespace inferd::pipeline {

// A UDP port (1 to 65535) of the address `bind`; 0.0.0.0 and :: are all of the machine. It does not
// wait. INVALID_ARGUMENT: `bind` is no address; UNAVAILABLE: the port is not to be had.
Result<Descriptor> listen_udp(const std::string& bind, int64_t port);

// A socket in the file system, whose file is removed with it. Takes the place of one that nobody
// listens at any more, but of nothing else.
class DatagramFile {
 public:
  DatagramFile() = default;
  ~DatagramFile() { close(); }
  DatagramFile(const DatagramFile&) = delete;
  DatagramFile& operator=(const DatagramFile&) = delete;

  Status open(const std::string& path);
  void close();
  int get() const { return socket_.get(); }

 private:
  Descriptor socket_;
  std::string path_;  // of the file that is ours
};

}  // namespace inferd::pipeline
