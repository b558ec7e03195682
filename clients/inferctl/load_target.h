// SPDX-License-Identifier: Apache-2.0
//
// Where `inferctl load` sends its requests: one model of a daemon, the same inputs each time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clients/inferctl/load_generator.h"
#include "inferd/client/client.h"

namespace inferd::ctl {

struct LoadTarget {
  std::string endpoint;
  ConnectOptions connection;
  std::string model;
  std::vector<NamedTensor> inputs;  // borrowed
  InferOptions options;
};

// Sends over so many connections in turn, with asynchronous calls over gRPC. Over the local socket
// `threads` threads call, each over its own connection. Destroy it when all answers are there.
class Sender {
 public:
  // Errors are those of Client::connect().
  static Result<std::unique_ptr<Sender>> create(const LoadTarget& target, int connections,
                                                int threads);
  virtual ~Sender() = default;
  virtual void send(std::function<void(const Status&)> done) = 0;
};

}  // namespace inferd::ctl
