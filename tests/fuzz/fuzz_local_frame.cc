// SPDX-License-Identifier: Apache-2.0
//
// Bytes as a frame of the local socket, read as each type.
#include <algorithm>
#include <cstring>

#include "daemon/serve/local/frames.h"

namespace local = inferd::serve::local;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that AddressSanitizer sees what is read behind the end.
  std::vector<std::byte> frame(size);
  std::copy_n(reinterpret_cast<const std::byte*>(data), size, frame.begin());
  if (size >= local::kHeaderBytes) {
    // Said rightly, or hardly anything would get further.
    const auto said = static_cast<uint32_t>(size);
    std::memcpy(frame.data(), &said, sizeof said);
    frame[6] = frame[7] = std::byte{0};
  }
  if (!local::read_header(frame).ok()) return 0;
  const auto hello = local::read_hello(frame);
  if (hello.ok() && hello->oldest > hello->newest) __builtin_trap();
  const auto bind = local::read_bind(frame);
  if (bind.ok() && bind->name.size() + 32 != size) __builtin_trap();
  static_cast<void>(local::read_map(frame).ok());
  static_cast<void>(local::read_number(frame).ok());
  static_cast<void>(local::read_bare(frame).ok());
  const auto push = local::read_push(frame);
  if (push.ok() &&
      (push->source.size() + 64 != size || push->format >= local::kPixelFormats ||
       push->width < 0 || push->height < 0 || push->columns < 0 || push->capture_ns < 0))
    __builtin_trap();
  const auto watch = local::read_watch(frame);
  if (watch.ok() && watch->pipeline.size() + 24 != size) __builtin_trap();
  std::vector<local::Place> places;
  const auto infer = local::read_infer(frame, places);
  if (!infer.ok()) return 0;
  if (places.size() != infer->inputs + infer->outputs) __builtin_trap();
  for (size_t i = 0; i < places.size(); ++i) {
    const local::Place& place = places[i];
    if (place.offset % 8 != 0) __builtin_trap();
    if (i >= infer->inputs || place.buffer != local::kInline) continue;
    // Read, for AddressSanitizer to look.
    const auto bytes = std::span(frame).subspan(place.offset, place.bytes);
    if (std::ranges::count(bytes, std::byte{1}) > static_cast<ptrdiff_t>(bytes.size()))
      __builtin_trap();
  }
  return 0;
}
