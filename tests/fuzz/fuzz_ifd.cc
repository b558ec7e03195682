// SPDX-License-Identifier: Apache-2.0
//
// Compiled models with whatever in them, but with right checksums of header and graph section and
// with this build's packing, so that what the checksums guard is reached.
#include <algorithm>
#include <vector>

#include "engine/import/ifd/ifd.h"
#include "engine/kernels/packing_id.h"
#include "tests/fuzz/fuzz_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kPackingIdAt = 64;  // docs/ifd-format.md
  std::vector<uint8_t> file(data, data + size);
  const std::string_view packing_id = inferd::kernels::packing_id();
  if (size > kPackingIdAt + packing_id.size()) {
    std::copy(packing_id.begin(), packing_id.end(), &file[kPackingIdAt]);
  }
  inferd::import::reseal_ifd(std::as_writable_bytes(std::span(file)));
  inferd::fuzz_model(file.data(), file.size());
  return 0;
}
