// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4), by which packages name the content of files.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::package {

// Of bytes that come in pieces. Belongs to one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // 64 lower-case hexadecimal digits, once: nothing may be called afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether this is what finish() may return.
bool is_sha256(std::string_view text);

// Of a regular file, which is read in pieces. NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a
// folder, a device) or UNAVAILABLE (cannot be read); the message names the path.
Result<std::string> sha256_of_file(const std::string& path);

}  // namespace inferd::package
