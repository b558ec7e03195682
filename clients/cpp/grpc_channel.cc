// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/grpc_channel.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

namespace inferd {
namespace {

constexpr std::string_view kTls = "grpcs://";

Result<std::string> read_pem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) return not_found("cannot read '" + path + "'");
  return content.str();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> tls_credentials(const ConnectOptions& options) {
  if (options.certificate.empty() != options.key.empty())
    return invalid_argument("a client's certificate needs its key, and the key its certificate");
  grpc::SslCredentialsOptions ssl;
  if (!options.ca.empty()) {
    INFERD_ASSIGN_OR_RETURN(ssl.pem_root_certs, read_pem(options.ca));
  }
  if (!options.key.empty()) {
    INFERD_ASSIGN_OR_RETURN(ssl.pem_private_key, read_pem(options.key));
    INFERD_ASSIGN_OR_RETURN(ssl.pem_cert_chain, read_pem(options.certificate));
  }
  return grpc::SslCredentials(ssl);
}

// Whether what is sent there stays on this machine.
bool is_on_this_machine(std::string_view endpoint) {
  for (const std::string_view begin : {"unix:", "localhost:", "127.0.0.1:", "[::1]:"})
    if (endpoint.starts_with(begin)) return true;
  return false;
}

// What goes into a header.
Status check_word(const char* what, const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; }))
    return ok_status();
  return invalid_argument(std::string(what) +
                          " has characters other than printable ASCII without spaces");
}

Status check_token(const std::string& endpoint, const std::string& token) {
  if (token.empty()) return ok_status();
  INFERD_RETURN_IF_ERROR(check_word("the token", token));
  if (endpoint.starts_with(kTls) || is_on_this_machine(endpoint)) return ok_status();
  return invalid_argument("a token would be sent to '" + endpoint +
                          "' for everybody to read; write grpcs://HOST:PORT");
}

// gRPC stops when the last channel of a process goes, and waits for its threads with it, which may
// sleep for ten seconds (seen with 1.51, after asynchronous calls). Held once, it stays.
void keep_grpc() {
  static const bool held = (grpc_init(), true);
  static_cast<void>(held);
}

}  // namespace

Result<std::shared_ptr<grpc::Channel>> make_channel(const std::string& endpoint,
                                                    const ConnectOptions& options) {
  INFERD_RETURN_IF_ERROR(check_token(endpoint, options.token));
  INFERD_RETURN_IF_ERROR(check_word("the client's name", options.name));
  keep_grpc();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A daemon that was restarted is looked for often, not with pauses that grow to minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  if (endpoint.starts_with(kTls)) {
    INFERD_ASSIGN_OR_RETURN(const auto credentials, tls_credentials(options));
    return grpc::CreateCustomChannel(endpoint.substr(kTls.size()), credentials, arguments);
  }
  if (!options.ca.empty() || !options.certificate.empty() || !options.key.empty()) {
    return invalid_argument("certificates are for an endpoint grpcs://HOST:PORT, not for '" +
                            endpoint + "'");
  }
  return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace inferd
