// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/caller_roles.h"

#include <grpc/grpc_security_constants.h>

namespace inferd::serve {

Roles CallerRoles::of(const grpc::ServerContextBase& context) const {
  if (access_ == nullptr) return roles_;
  Peer peer;
  const auto identity = context.auth_context();
  if (identity != nullptr && identity->IsPeerAuthenticated()) {
    const auto names = identity->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
    if (!names.empty()) peer.subject = std::string(names[0].data(), names[0].size());
  }
  const auto header = context.client_metadata().find("authorization");
  if (header != context.client_metadata().end()) {
    peer.token = bearer_token({header->second.data(), header->second.size()});
  }
  return access_->roles_of(peer);
}

}  // namespace inferd::serve
