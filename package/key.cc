// SPDX-License-Identifier: Apache-2.0
#include "package/key.h"

#include <sodium.h>
#include <sys/stat.h>

#include "package/digest.h"
#include "package/file.h"
#include "package/key_line.h"

namespace inferd::package {
namespace {

constexpr std::string_view kPublicKind = "inferd-public-key", kSecretKind = "inferd-secret-key";
constexpr int64_t kMaxKeyFile = 256;
constexpr size_t kIdDigits = 16;

static_assert(PublicKey::kBytes == crypto_sign_PUBLICKEYBYTES);
static_assert(PublicKey::kSignatureBytes == crypto_sign_BYTES);
static_assert(SecretKey::kSeedBytes == crypto_sign_SEEDBYTES);

std::string id_of(const PublicKey::Bytes& bytes) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.finish().substr(0, kIdDigits);
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Status other_id(const std::string& name, const std::string& id, const std::string& right) {
  return invalid_argument("'" + name + "' says that its id is " + id + ", and its key's is " +
                          right + ": it was altered or copied wrongly");
}

// Wipes a local variable when it goes.
template <typename T>
class Wiped {
 public:
  ~Wiped() { sodium_memzero(&value_, sizeof(value_)); }
  T& operator*() { return value_; }

 private:
  T value_ = {};
};

// A string's content is wiped; it must not have been copied or have grown.
struct WipedText {
  std::string text;
  ~WipedText() { sodium_memzero(text.data(), text.size()); }
};

Status save(const std::string& path, mode_t mode, std::string_view text) {
  INFERD_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path, mode));
  INFERD_RETURN_IF_ERROR(file.write(text));
  return file.finish();
}

}  // namespace

PublicKey::PublicKey(const Bytes& bytes) : bytes_(bytes), id_(id_of(bytes)) {}

Result<PublicKey> PublicKey::parse(std::string_view text, const std::string& name) {
  Bytes bytes;
  INFERD_ASSIGN_OR_RETURN(const std::string id, parse_key_line(kPublicKind, text, name, bytes));
  PublicKey key(bytes);
  if (key.id() != id) return other_id(name, id, key.id());
  return key;
}

std::string PublicKey::text() const { return key_line(kPublicKind, id_, bytes_); }

bool PublicKey::verifies(const Signature& signature, std::string_view message) const {
  return crypto_sign_verify_detached(signature.data(), bytes_of(message), message.size(),
                                     bytes_.data()) == 0;
}

Status PublicKey::save(const std::string& path) const { return package::save(path, 0644, text()); }

struct SecretKey::Expanded {
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> bytes;
};

void SecretKey::Wipe::operator()(Expanded* key) const {
  sodium_memzero(key, sizeof(*key));
  delete key;
}

SecretKey::SecretKey(Secret secret, const PublicKey& public_key)
    : secret_(std::move(secret)), public_key_(public_key) {}

SecretKey SecretKey::from_seed(const unsigned char* seed) {
  Secret secret(new Expanded);
  PublicKey::Bytes public_bytes;
  crypto_sign_seed_keypair(public_bytes.data(), secret->bytes.data(), seed);
  return {std::move(secret), PublicKey(public_bytes)};
}

SecretKey::SecretKey(const Seed& seed) : SecretKey(from_seed(seed.data())) {}

Result<SecretKey> SecretKey::generate() {
  if (sodium_init() < 0) return unavailable("the system gives no random numbers");
  Wiped<Seed> seed;
  randombytes_buf((*seed).data(), (*seed).size());
  return SecretKey(*seed);
}

Result<SecretKey> SecretKey::parse(std::string_view text, const std::string& name) {
  Wiped<Seed> seed;
  INFERD_ASSIGN_OR_RETURN(const std::string id, parse_key_line(kSecretKind, text, name, *seed));
  SecretKey key(*seed);
  if (key.public_key().id() != id) return other_id(name, id, key.public_key().id());
  return key;
}

Status SecretKey::save(const std::string& path) const {
  // An Ed25519 secret key of libsodium begins with its seed.
  const auto seed = std::span(secret_->bytes).first(kSeedBytes);
  const WipedText line{key_line(kSecretKind, public_key_.id(), seed)};
  return package::save(path, 0600, line.text);
}

PublicKey::Signature SecretKey::sign(std::string_view message) const {
  PublicKey::Signature signature;
  crypto_sign_detached(signature.data(), nullptr, bytes_of(message), message.size(),
                       secret_->bytes.data());
  return signature;
}

Result<PublicKey> load_public_key(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const InputFile file, InputFile::open(path));
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(file, kMaxKeyFile));
  return PublicKey::parse(text, path);
}

Result<SecretKey> load_secret_key(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const InputFile file, InputFile::open(path));
  if ((file.mode() & (S_IRWXG | S_IRWXO)) != 0) {
    return permission_denied("others than its owner may use the secret key '" + path +
                             "'; forbid them with 'chmod 600', and make a new key if they may "
                             "have read it");
  }
  Result<std::string> text = read_text(file, kMaxKeyFile);
  if (!text.ok()) return text.status();
  const WipedText line{std::move(*text)};
  return SecretKey::parse(line.text, path);
}

}  // namespace inferd::package
