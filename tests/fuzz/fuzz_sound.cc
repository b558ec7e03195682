// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a sound, and what keyword spotting hears of it.
#include "media/sound_tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd;
  const Result<media::Sound> sound = media::decode_wav({data, size});
  if (!sound.ok()) return 0;
  const TensorInfo input{"x", DType::kInt8, {1, 49, 10, 1}, {{0.5F}, {83}, 0}};
  const Result<media::Array> tensor = media::sound_tensor(*sound, input);
  if (tensor.ok() && tensor->data.size() != 490) __builtin_trap();
  return 0;
}
