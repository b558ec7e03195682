// SPDX-License-Identifier: Apache-2.0
#include "media/image.h"
#include "media/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)inferd::media::decode_image({data, size}).ok();
  (void)inferd::media::parse_npy(std::as_bytes(std::span(data, size))).ok();
  return 0;
}
