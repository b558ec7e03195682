// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/callers.h"

#include <grpc/grpc_security_constants.h>

#include "daemon/serve/caller.h"

namespace inferd::serve {
namespace {

// The common name of a certificate that the server has verified, or "".
std::string subject_of(const grpc::ServerContextBase& context) {
  const auto identity = context.auth_context();
  if (identity == nullptr || !identity->IsPeerAuthenticated()) return "";
  const auto names = identity->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  return names.empty() ? "" : std::string(names[0].data(), names[0].size());
}

// "ipv4:192.168.1.7:40312" is 192.168.1.7, "ipv6:%5Bfe80::1%5D:40312" fe80::1; "" of others.
std::string address_in(const std::string& grpc_peer) {
  const size_t port = grpc_peer.rfind(':');
  if (grpc_peer.starts_with("ipv4:")) return grpc_peer.substr(5, port - 5);
  constexpr std::string_view kOpen = "ipv6:%5B", kClose = "%5D:";
  if (!grpc_peer.starts_with(kOpen)) return "";
  const size_t end = grpc_peer.rfind(kClose);
  return end == std::string::npos ? "" : grpc_peer.substr(kOpen.size(), end - kOpen.size());
}

// Borrowed from the call; empty where there is no such header.
std::string_view header(const grpc::ServerContextBase& context, const char* name) {
  const auto at = context.client_metadata().find(name);
  if (at == context.client_metadata().end()) return {};
  return {at->second.data(), at->second.size()};
}

}  // namespace

void Processes::set(int descriptor, Peer::Process process) {
  const std::lock_guard lock(mutex_);
  processes_["fd:" + std::to_string(descriptor)] = std::move(process);
}

std::optional<Peer::Process> Processes::behind(const std::string& grpc_peer) const {
  const std::lock_guard lock(mutex_);
  const auto process = processes_.find(grpc_peer);
  if (process == processes_.end()) return std::nullopt;
  return process->second;
}

Roles Callers::roles_of(const grpc::ServerContextBase& context) const {
  if (access_ == nullptr) return roles_;
  Peer peer;
  peer.subject = subject_of(context);
  peer.token = bearer_token(header(context, "authorization"));
  return access_->roles_of(peer);
}

Peer Callers::peer_of(const grpc::ServerContextBase& context) const {
  Peer peer;
  const std::string name = context.peer();
  if (processes_ != nullptr) peer.process = processes_->behind(name);
  peer.subject = subject_of(context);
  peer.address = address_in(name);
  return peer;
}

std::vector<std::string> Callers::keys_of(const grpc::ServerContextBase& context) const {
  return caller_keys(peer_of(context), header(context, kClientNameHeader));
}

std::shared_ptr<ClientCount> Callers::count_of(const grpc::ServerContextBase& context) const {
  return client_counts().of("grpc", peer_of(context), header(context, kClientNameHeader));
}

}  // namespace inferd::serve
