// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clients/cpp/local_connection.h"

namespace inferd {

// A connection with memory for one request. Belongs to one thread at a time.
class LocalSession {
 public:
  static Result<std::unique_ptr<LocalSession>> open(const std::string& path);

  LocalConnection& connection() { return *connection_; }
  bool is_connected() const { return connection_->is_connected(); }
  // False after a request that was given up: the daemon may write to its outputs yet.
  bool is_reusable() const { return is_connected() && !gave_up_; }

  // Sends a request and waits for its answer.
  Result<std::vector<NamedResult>> run(const std::shared_ptr<const BoundModel>& model,
                                       const std::vector<NamedTensor>& inputs,
                                       const InferOptions& options, const TimeLimit& limit);

 private:
  explicit LocalSession(std::unique_ptr<LocalConnection> connection)
      : connection_(std::move(connection)) {}
  Status make_room(size_t bytes);
  Result<std::vector<NamedResult>> run(RequestLayout& layout,
                                       const std::vector<NamedTensor>& inputs,
                                       const InferOptions& options, const TimeLimit& limit);

  const std::unique_ptr<LocalConnection> connection_;
  inferd_buffer memory_{};
  bool gave_up_ = false;
};

}  // namespace inferd
