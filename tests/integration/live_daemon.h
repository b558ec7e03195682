// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>

#include "inferd/client/client.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {

// The daemon as a process of its own, on a folder of its own, with models as tests/backends makes
// them: {name: text of the script}. Its sockets are there in the end, or the program aborts with
// its log.
using Models = std::map<std::string, std::string>;
class LiveDaemon {
 public:
  // `options`: YAML of the local socket, ", max_in_flight: 4".
  explicit LiveDaemon(const Models& models, const std::string& options = "");
  ~LiveDaemon();
  LiveDaemon(const LiveDaemon&) = delete;
  LiveDaemon& operator=(const LiveDaemon&) = delete;

  // Of "grpc" or "local".
  std::string endpoint(const std::string& transport) const;

  void start();
  void kill();     // at once, as a crash
  void suspend();  // it is there and answers nothing, until resume()
  void resume();

 private:
  TemporaryFolder folder_;
  pid_t process_ = -1;
};

}  // namespace inferd
