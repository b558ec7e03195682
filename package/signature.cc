// SPDX-License-Identifier: Apache-2.0
#include "package/signature.h"

#include "package/key_line.h"
#include "package/text.h"

namespace inferd::package {
namespace {

constexpr std::string_view kKind = "inferd-signature";
constexpr int64_t kDay = 86'400;

std::string duration(int64_t seconds) {
  return seconds % kDay == 0 ? std::to_string(seconds / kDay) + " days"
                             : std::to_string(seconds) + " seconds";
}

}  // namespace

std::string sign(std::string_view manifest_bytes, const SecretKey& key) {
  return key_line(kKind, key.public_key().id(), key.sign(manifest_bytes));
}

Result<TrustedKeys> TrustedKeys::load(const std::vector<std::string>& paths) {
  TrustedKeys keys;
  for (const std::string& path : paths) {
    INFERD_ASSIGN_OR_RETURN(const PublicKey key, load_public_key(path));
    INFERD_RETURN_IF_ERROR(keys.add(key).with_context(path));
  }
  return keys;
}

Status TrustedKeys::add(const PublicKey& key) {
  const auto [entry, is_new] = keys_.emplace(key.id(), key);
  if (is_new || entry->second == key) return ok_status();
  return invalid_argument("two different keys have the id " + key.id() + "; trust one of them");
}

Result<std::string> TrustedKeys::verify(std::string_view manifest_bytes,
                                        std::string_view signature_text) const {
  if (signature_text.empty()) {
    return permission_denied("the package is not signed: it has no manifest.sig");
  }
  PublicKey::Signature signature;
  INFERD_ASSIGN_OR_RETURN(std::string id, parse_key_line(kKind, signature_text,
                                                         std::string(kSignatureFile), signature));
  const auto found = keys_.find(id);
  if (found == keys_.end()) {
    std::string trusted;
    for (const auto& [known, key] : keys_) trusted += (trusted.empty() ? "" : ", ") + known;
    return permission_denied("the package is signed by the key " + id + ", which is not trusted (" +
                             (trusted.empty() ? "no key is" : "trusted: " + trusted) + ")");
  }
  if (!found->second.verifies(signature, manifest_bytes)) {
    return permission_denied("the key " + id +
                             " did not sign this manifest: it or its signature was altered");
  }
  return id;
}

Status check_fresh(const Manifest& manifest, int64_t now_s, int64_t max_age_s) {
  const std::string created = "the package was created at " + utc_text(manifest.created_s);
  if (manifest.created_s - kDay > now_s) {
    return failed_precondition(created + ", which is later than this machine's clock, " +
                               utc_text(now_s) + "; set the clock");
  }
  if (manifest.expires_s != 0 && now_s >= manifest.expires_s) {
    return failed_precondition("the package expired at " + utc_text(manifest.expires_s) +
                               "; sign it anew");
  }
  if (max_age_s != 0 && now_s - manifest.created_s > max_age_s) {
    return failed_precondition(created + ", more than the " + duration(max_age_s) +
                               " ago that are allowed");
  }
  return ok_status();
}

}  // namespace inferd::package
