// SPDX-License-Identifier: Apache-2.0
//
// Keys that sign packages: Ed25519 (RFC 8032). A key file is one line of text:
//
//   inferd-public-key ed25519 ID BASE64
//   inferd-secret-key ed25519 ID BASE64
//
// BASE64 is the public key or the seed of the secret one, 32 bytes each; ID is the first 8 bytes of
// the public key's SHA-256 in hexadecimal, by which signatures say who made them.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::package {

class PublicKey {
 public:
  static constexpr size_t kBytes = 32, kSignatureBytes = 64;
  using Bytes = std::array<unsigned char, kBytes>;
  using Signature = std::array<unsigned char, kSignatureBytes>;

  explicit PublicKey(const Bytes& bytes);

  // The text of a key file, whose name is for errors. INVALID_ARGUMENT: it is none.
  static Result<PublicKey> parse(std::string_view text, const std::string& name);
  std::string text() const;

  const std::string& id() const { return id_; }
  // Whether this key's secret half made the signature.
  bool verifies(const Signature& signature, std::string_view message) const;

  // Makes the file of this key. ALREADY_EXISTS: it is there, and stays as it is; else what keeps it
  // from being written.
  Status save(const std::string& path) const;

  bool operator==(const PublicKey&) const = default;

 private:
  Bytes bytes_;
  std::string id_;
};

// Lies in memory once, and that is wiped when the key goes.
class SecretKey {
 public:
  static constexpr size_t kSeedBytes = 32;
  using Seed = std::array<unsigned char, kSeedBytes>;

  explicit SecretKey(const Seed& seed);
  // UNAVAILABLE: the system gives no random numbers.
  static Result<SecretKey> generate();

  // As PublicKey::parse().
  static Result<SecretKey> parse(std::string_view text, const std::string& name);

  // As PublicKey::save(); only the owner may read the file.
  Status save(const std::string& path) const;

  const PublicKey& public_key() const { return public_key_; }
  PublicKey::Signature sign(std::string_view message) const;

 private:
  struct Expanded;  // seed and public key, as libsodium takes them
  struct Wipe {
    void operator()(Expanded* key) const;
  };
  using Secret = std::unique_ptr<Expanded, Wipe>;

  SecretKey(Secret secret, const PublicKey& public_key);
  static SecretKey from_seed(const unsigned char* seed);

  Secret secret_;
  PublicKey public_key_;
};

// NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE: the file cannot be read; INVALID_ARGUMENT: it has no
// such key. A secret key's file that others than its owner may read is PERMISSION_DENIED.
Result<PublicKey> load_public_key(const std::string& path);
Result<SecretKey> load_secret_key(const std::string& path);

}  // namespace inferd::package
