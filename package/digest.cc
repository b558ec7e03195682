// SPDX-License-Identifier: Apache-2.0
#include "package/digest.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <vector>

#include "package/file.h"

namespace inferd::package {

struct Sha256::State : crypto_hash_sha256_state {};

Sha256::Sha256() : state_(std::make_unique<State>()) { crypto_hash_sha256_init(state_.get()); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  crypto_hash_sha256_update(state_.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size());
}

std::string Sha256::finish() {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256_final(state_.get(), digest.data());
  std::array<char, 2 * digest.size() + 1> hex;
  return sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
}

bool is_sha256(std::string_view text) {
  return text.size() == 2 * crypto_hash_sha256_BYTES &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<std::string> sha256_of_file(const std::string& path) {
  constexpr size_t kPiece = size_t{128} << 10;
  INFERD_ASSIGN_OR_RETURN(const InputFile file, InputFile::open(path));
  std::vector<std::byte> buffer(kPiece);
  Sha256 hash;
  while (true) {
    INFERD_ASSIGN_OR_RETURN(const size_t size, file.read(buffer));
    if (size == 0) return hash.finish();
    hash.update(std::span(buffer).first(size));
  }
}

}  // namespace inferd::package
