// SPDX-License-Identifier: Apache-2.0
//
// What a listener needs for TLS, read from its files and looked through before anything is served.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "inferd/engine/status.h"

namespace inferd::serve {

// PEM texts.
struct TlsFiles {
  std::string certificate;  // the server's, and what leads to an authority that clients know
  std::string key;
  std::string client_ca;  // empty: clients show no certificate
};

// Errors stand at the file's mark: it cannot be read, is larger than a MiB, holds no certificate or
// key, a key with a password (nobody could be asked for it), or one of another certificate.
// What serves but hardly as meant, one text for each, is appended to `warnings`: certificates that
// are not valid at this time, a key that every user of the machine can read.
Result<TlsFiles> read_tls_files(const config::TlsConfig& config,
                                std::vector<std::string>& warnings);

// As above, the warnings logged.
Result<TlsFiles> read_tls_files(const config::TlsConfig& config);

// Whether a client of the listener must show a certificate: where `client_ca` is given, unless its
// rules take tokens as well.
bool requires_client_certificate(const config::Listener& listener);

// Whether all listeners could be opened as far as their files and rules tell: Access::create() and
// read_tls_files() of each. Reports every error, one in a line, and logs warnings.
Status check_listeners(const config::ServerConfig& config);

}  // namespace inferd::serve
