// SPDX-License-Identifier: Apache-2.0
//
// What libmicrohttpd does not do for its TLS sessions. It asks for certificates of clients but
// neither insists nor verifies; here that is added to each session, so that whoever shows a wrong
// one does not get through the handshake.
#pragma once

#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/serve/certificates.h"

namespace inferd::serve {

// A certificate with its key, and whose certificates of clients are good. The library keeps those
// that a listener began with; these are given to each session, so that they can be renewed.
class TlsCredentials {
 public:
  // INVALID_ARGUMENT: not what read_tls_files() gives.
  static Result<std::unique_ptr<TlsCredentials>> create(const TlsFiles& files);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  // Before the handshake of a new connection, which borrows them.
  void give_to(MHD_Connection* connection) const;

 private:
  explicit TlsCredentials(gnutls_certificate_credentials_t credentials)
      : credentials_(credentials) {}
  const gnutls_certificate_credentials_t credentials_;
};

// How far the handshake of a connection has come. By the connection's thread.
struct Handshake {
  bool received = false, sent = false;  // the messages that end it
  std::string last;                     // the client's last message, as gnutls names it
  std::string refused;                  // why its certificate was
  bool is_done() const { return received && sent; }
};

// Before the handshake; `handshake` outlives the connection.
void watch_handshake(MHD_Connection* connection, Handshake& handshake);

// After the connection: where the client began a handshake that did not end, counts it, and logs
// why as far as that is known, one a second at most. `address` is the listener's.
void report_handshake(const Handshake& handshake, const std::string& address);

// Before the handshake of a new connection of a listener with `client_ca`, which is watched.
void ask_for_certificate(MHD_Connection* connection, bool required);

// After it: the common name of the certificate that the client has shown. Empty: it has none, or
// the connection is not encrypted.
std::string subject_of(MHD_Connection* connection);

}  // namespace inferd::serve
