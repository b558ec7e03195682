// SPDX-License-Identifier: Apache-2.0
//
// Compressed bodies: gzip, and deflate in zlib's format as RFC 9110, 8.4.1.2 wants it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::serve {

enum class Encoding : uint8_t { kNone, kGzip, kDeflate };

// The word for it in headers.
std::string_view encoding_name(Encoding encoding);

// How a body comes that has this `Content-Encoding`. Nothing: in a way that is not taken.
std::optional<Encoding> encoding_called(std::string_view header);

// What an answer may come in by this `Accept-Encoding` (RFC 9110, 12.5.3): gzip before deflate,
// those with a weight of 0 not.
Encoding accepted_encoding(std::string_view header);

// Unpacks a body piece by piece while it comes; at no time there is more of it in memory than the
// pieces that somebody kept.
class Unpacker {
 public:
  explicit Unpacker(Encoding encoding);  // not kNone
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Gives what `packed` unpacks to, at most 64 KiB at a time, to `take`, which says whether to go
  // on. INVALID_ARGUMENT when it is malformed, or when something is behind its end.
  Status add(std::string_view packed, const std::function<bool(std::string_view)>& take);

  // INVALID_ARGUMENT when the end has not come.
  Status finish() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Fast rather than small. Nothing when it is not smaller than `text`.
std::optional<std::string> packed(std::string_view text, Encoding encoding);

}  // namespace inferd::serve
