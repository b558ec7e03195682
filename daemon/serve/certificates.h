// SPDX-License-Identifier: Apache-2.0
//
// What a listener needs for TLS, read from its files and looked through before anything is served.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
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

// The files of a listener, which may be renewed while it serves. Not thread-safe.
class WatchedTls {
 public:
  // Errors of read_tls_files(); `files` gets what they hold.
  static Result<WatchedTls> open(const config::TlsConfig& config, TlsFiles& files);

  // What they hold where one has changed since they were read, and nothing where none has, or
  // where they cannot be used as they are now: then the log says why, once. Looks once a second.
  std::optional<TlsFiles> renewed();

 private:
  // What tells a file from its successor.
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t size = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  explicit WatchedTls(config::TlsConfig config) : config_(std::move(config)) {}
  std::array<Stamp, 3> stamps() const;

  config::TlsConfig config_;
  std::array<Stamp, 3> read_{};
  int64_t looked_ns_ = 0;
};

// Whether a client of the listener must show a certificate: where `client_ca` is given, unless its
// rules take tokens as well.
bool requires_client_certificate(const config::Listener& listener);

// Whether all listeners could be opened as far as their files and rules tell: Access::create() and
// read_tls_files() of each. Reports every error, one in a line, and logs warnings.
Status check_listeners(const config::ServerConfig& config);

}  // namespace inferd::serve
