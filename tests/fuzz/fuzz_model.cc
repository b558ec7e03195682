// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  inferd::fuzz_model(data, size);
  return 0;
}
