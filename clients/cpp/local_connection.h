// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "clients/c/inferd_local.h"
#include "clients/cpp/local_model.h"
#include "inferd/client/client.h"

namespace inferd {

// A connection to the local socket, and the models that were asked for over it. Belongs to one
// thread at a time. Errors are the daemon's, or tell that it has gone: is_connected().
class LocalConnection {
 public:
  // UNAVAILABLE: nobody answers at `path`.
  static Result<std::unique_ptr<LocalConnection>> open(const std::string& path);
  ~LocalConnection() { inferd_local_close(connection_); }
  LocalConnection(const LocalConnection&) = delete;
  LocalConnection& operator=(const LocalConnection&) = delete;

  inferd_local* get() const { return connection_; }
  bool is_connected() const { return inferd_local_is_connected(connection_) != 0; }
  std::string version() const { return inferd_local_version(connection_); }

  // The model, which stays the same until unbind() and is there without asking the daemon again.
  // Its handle is valid until the next bind() or unbind().
  Result<std::shared_ptr<const BoundModel>> bind(const std::string& name, int64_t version);
  // Whether bind() will not ask the daemon.
  bool has_bound(const std::string& name, int64_t version) const {
    return bound_.contains({name, version});
  }
  // The next bind() asks the daemon again.
  Status unbind(const std::string& name, int64_t version);

  // False: there is no model with this index.
  Result<bool> list(uint32_t index, ServedModelInfo& info);

  Result<inferd_buffer> map(size_t bytes);
  Status unmap(inferd_buffer& buffer);

 private:
  using Models = std::map<std::pair<std::string, int64_t>, std::shared_ptr<const BoundModel>>;

  explicit LocalConnection(inferd_local* connection) : connection_(connection) {}
  Status unbind(Models::iterator at);

  inferd_local* const connection_;
  Models bound_;
};

}  // namespace inferd
