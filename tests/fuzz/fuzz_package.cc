// SPDX-License-Identifier: Apache-2.0
//
// What comes with a package. The first byte says as what the others are read: a manifest, a
// signature or key, or, behind two bytes with the size that is expected, a frame with or without a
// base.
#include <string>

#include "package/delta.h"
#include "package/digest.h"
#include "package/manifest.h"
#include "package/name.h"
#include "package/signature.h"

namespace {

using namespace inferd::package;

void check(bool holds) {
  if (!holds) __builtin_trap();
}

void read_manifest(std::string_view text) {
  const auto manifest = parse_manifest(text);
  if (!manifest.ok()) return;
  check(is_model_name(manifest->model) && manifest->version > 0);
  check(!manifest->files.empty() && manifest->files.size() <= kMaxFiles);
  check(manifest->total_bytes() >= 0);
  for (const ManifestFile& file : manifest->files) {
    check(is_package_path(file.path) && file.bytes >= 0 && is_sha256(file.sha256));
  }
  const auto again = parse_manifest(write_manifest(*manifest));
  check(again.ok() && *again == *manifest);
}

void read_signature(std::string_view text) {
  static const SecretKey secret(SecretKey::Seed{1});
  static const std::string right = sign("manifest", secret);
  static const TrustedKeys trusted = [] {
    TrustedKeys keys;
    check(keys.add(secret.public_key()).ok());
    return keys;
  }();
  const bool is_right = text == right || text == right.substr(0, right.size() - 1);
  check(trusted.verify("manifest", text).ok() == is_right);
  check(!trusted.verify("manifest.", text).ok());
}

void read_keys(std::string_view text) {
  if (const auto key = PublicKey::parse(text, "key"); key.ok()) {
    check(key->text().starts_with(text));
  }
  (void)SecretKey::parse(text, "key");
}

void decode_frame(std::span<const std::byte> bytes, bool with_base) {
  static const std::string base = [] {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += std::to_string(i * i);
    return text;
  }();
  if (bytes.size() < 2) return;
  const int64_t expected = std::to_integer<int>(bytes[0]) << 8 | std::to_integer<int>(bytes[1]);
  int64_t decoded = 0;
  const auto count = [&](std::span<const std::byte> piece) {
    decoded += static_cast<int64_t>(piece.size());
    check(!piece.empty() && decoded <= expected);
    return inferd::ok_status();
  };
  const std::string_view before = with_base ? base : std::string_view();
  const auto status = decode(bytes.subspan(2), std::as_bytes(std::span(before)), count, expected);
  check(!status.ok() || decoded == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'm':
      read_manifest(text);
      break;
    case 's':
      read_signature(text);
      break;
    case 'k':
      read_keys(text);
      break;
    case 'f':
    case 'd':
      decode_frame(std::as_bytes(std::span(text)), data[0] == 'd');
      break;
    default:
      break;
  }
  return 0;
}
