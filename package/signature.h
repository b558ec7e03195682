// SPDX-License-Identifier: Apache-2.0
//
// Who made a package, and whether it is of today. manifest.sig is one line of text, a signature of
// the exact bytes of manifest.json:
//
//   inferd-signature ed25519 ID BASE64
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "package/key.h"
#include "package/manifest.h"

namespace inferd::package {

// The text of manifest.sig.
std::string sign(std::string_view manifest_bytes, const SecretKey& key);

// Whose packages are accepted. Immutable; any thread may ask.
class TrustedKeys {
 public:
  // From files of public keys; none trusts nobody. Errors are those of load_public_key().
  static Result<TrustedKeys> load(const std::vector<std::string>& paths);
  // INVALID_ARGUMENT: two keys share an id.
  Status add(const PublicKey& key);

  bool empty() const { return keys_.empty(); }

  // The id of the key that signed the manifest. `signature_text` is all of manifest.sig, empty when
  // there is none. PERMISSION_DENIED: it is not signed, or by a key that is not trusted, or the
  // manifest is not the one that was signed; INVALID_ARGUMENT: the text is no signature.
  Result<std::string> verify(std::string_view manifest_bytes,
                             std::string_view signature_text) const;

 private:
  std::map<std::string, PublicKey, std::less<>> keys_;  // by id
};

// FAILED_PRECONDITION: at `now_s` (Unix seconds) the package has expired, is older than `max_age_s`
// (0: any age will do), or was created more than a day later, so that one of two clocks is wrong.
Status check_fresh(const Manifest& manifest, int64_t now_s, int64_t max_age_s);

}  // namespace inferd::package
