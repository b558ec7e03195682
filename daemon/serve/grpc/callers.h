// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/models/asking.h"
#include "daemon/serve/access.h"
#include "daemon/serve/client_counts.h"

namespace inferd::serve {

// The processes behind connections of Unix sockets, by their descriptors: gRPC calls the peer of a
// connection that was given to it "fd:12". Of a descriptor that is used again, the newest counts,
// so there are as many as were ever open at one time. Thread-safe.
class Processes {
 public:
  void set(int descriptor, Peer::Process process);
  std::optional<Peer::Process> behind(const std::string& grpc_peer) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Peer::Process> processes_;  // by mutex_
};

// Who makes a call, and what it may. Thread-safe.
class Callers {
 public:
  // All calls have these roles: their connection was accepted for them.
  Callers(Roles roles, std::shared_ptr<const Processes> processes)
      : roles_(roles), processes_(std::move(processes)) {}
  // Roles by what each call shows: the certificate of its connection, and a bearer token in its
  // header `authorization`.
  explicit Callers(std::shared_ptr<const Access> access) : access_(std::move(access)) {}

  Roles roles_of(const grpc::ServerContextBase& context) const;
  std::vector<std::string> keys_of(const grpc::ServerContextBase& context) const;
  std::shared_ptr<ClientCount> count_of(const grpc::ServerContextBase& context) const;

 private:
  Peer peer_of(const grpc::ServerContextBase& context) const;  // without its token

  Roles roles_;
  std::shared_ptr<const Processes> processes_;  // null: there are none
  std::shared_ptr<const Access> access_;        // null: roles_
};

// Whoever makes one call, which outlives this.
class GrpcCaller final : public models::Caller {
 public:
  GrpcCaller(const Callers& callers, const grpc::ServerContextBase& context)
      : callers_(callers), context_(context) {}
  std::vector<std::string> keys() const override { return callers_.keys_of(context_); }
  std::shared_ptr<ClientCount> count() const { return callers_.count_of(context_); }

 private:
  const Callers& callers_;
  const grpc::ServerContextBase& context_;
};

}  // namespace inferd::serve
