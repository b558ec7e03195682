// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_connection.h"

#include <algorithm>

namespace inferd {
namespace {

constexpr size_t kMaxBound = 32;  // models of one connection

}  // namespace

Result<std::unique_ptr<LocalConnection>> LocalConnection::open(const std::string& path) {
  inferd_local* connection = nullptr;
  inferd_error error;
  if (inferd_local_connect(path.c_str(), &connection, &error) != 0) return status_of(error);
  return std::unique_ptr<LocalConnection>(new LocalConnection(connection));
}

Result<std::shared_ptr<const BoundModel>> LocalConnection::bind(const std::string& name,
                                                                int64_t version) {
  const std::pair key(name, version);
  if (const auto found = bound_.find(key); found != bound_.end()) return found->second;
  while (bound_.size() >= kMaxBound) INFERD_RETURN_IF_ERROR(unbind(bound_.begin()));
  const inferd_model* model = nullptr;
  inferd_error error;
  if (inferd_local_bind(connection_, name.c_str(), version, &model, &error) != 0)
    return status_of(error);
  return bound_.emplace(key, std::make_shared<BoundModel>(*model)).first->second;
}

Status LocalConnection::unbind(const std::string& name, int64_t version) {
  const auto found = bound_.find({name, version});
  return found == bound_.end() ? ok_status() : unbind(found);
}

Status LocalConnection::unbind(Models::iterator at) {
  inferd_error error;
  const int code = inferd_local_unbind(connection_, at->second->handle, &error);
  bound_.erase(at);
  return code == 0 ? ok_status() : status_of(error);
}

Result<bool> LocalConnection::list(uint32_t index, ServedModelInfo& info) {
  static constexpr const char* kStates[] = {"LOADING", "READY", "UNAVAILABLE"};
  inferd_listing listing;
  inferd_error error;
  uint32_t count = 0;
  const int code = inferd_local_list(connection_, index, &listing, &count, &error);
  if (code == INFERD_OUT_OF_RANGE) return false;
  if (code != 0) return status_of(error);
  info.name = listing.name;
  info.version = std::to_string(listing.version);
  info.state = kStates[std::clamp(listing.state, 0, 2)];
  info.reason = listing.reason;
  return true;
}

Result<inferd_buffer> LocalConnection::map(size_t bytes) {
  inferd_buffer buffer{};
  inferd_error error;
  if (inferd_local_map(connection_, std::max<size_t>(bytes, 1), &buffer, &error) != 0)
    return status_of(error);
  return buffer;
}

Status LocalConnection::unmap(inferd_buffer& buffer) {
  inferd_error error;
  if (inferd_local_unmap(connection_, &buffer, &error) != 0) return status_of(error);
  return ok_status();
}

}  // namespace inferd
