// SPDX-License-Identifier: Apache-2.0
//
// A message of Frigate's: its header is the first line, its tensor the rest.
#include <algorithm>
#include <string_view>

#include "daemon/serve/frigate/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace frigate = inferd::serve::frigate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), size);
  const size_t begin = std::min(end + 1, size);
  const auto header = frigate::parse_header(text.substr(0, end));
  if (!header.ok() || header->kind != frigate::Header::Kind::kPicture) return 0;
  const std::span<const uint8_t> tensor(data + begin, size - begin);
  const auto picture = frigate::picture_in(*header, tensor, inferd::media::PixelFormat::kRgb);
  if (picture.ok() && tensor.size() != size_t{3} * static_cast<size_t>(header->width) *
                                           static_cast<size_t>(header->height))
    __builtin_trap();
  return 0;
}
