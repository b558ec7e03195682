// SPDX-License-Identifier: Apache-2.0
//
// Compressed bodies as clients send them, in two pieces, and headers about encodings. What unpacks
// is as long as the pieces that were taken.
#include "daemon/serve/http/encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::serve;
  constexpr size_t kMost = 1 << 20;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Encoding accepted = accepted_encoding(text);
  if (encoding_called(encoding_name(accepted)) != accepted) __builtin_trap();
  encoding_called(text);
  if (size < 2) return 0;
  Unpacker unpacker(data[0] % 2 == 0 ? Encoding::kGzip : Encoding::kDeflate);
  const size_t half = data[1] * size / 256;
  size_t taken = 0;
  const auto take = [&](std::string_view piece) {
    if (piece.empty() || piece.size() > size_t{64} << 10 || taken > kMost) __builtin_trap();
    taken += piece.size();
    return taken <= kMost;
  };
  const std::string_view body = text.substr(2);
  if (!unpacker.add(body.substr(0, half), take).ok() || taken > kMost) return 0;
  if (half < body.size() && !unpacker.add(body.substr(half), take).ok()) return 0;
  if (unpacker.finish().ok() && taken > body.size() * 1100) __builtin_trap();  // zlib's most
  return 0;
}
