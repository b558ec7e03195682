// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <memory>

#include "daemon/serve/access.h"

namespace inferd::serve {

// The roles of whoever makes a call. Thread-safe.
class CallerRoles {
 public:
  // All calls have these: their connection was accepted for them.
  explicit CallerRoles(Roles roles) : roles_(roles) {}
  // By what each call shows: the certificate of its connection, and a bearer token in its header
  // `authorization`.
  explicit CallerRoles(std::shared_ptr<const Access> access) : access_(std::move(access)) {}

  Roles of(const grpc::ServerContextBase& context) const;

 private:
  Roles roles_;
  std::shared_ptr<const Access> access_;  // null: roles_
};

}  // namespace inferd::serve
