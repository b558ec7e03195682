// SPDX-License-Identifier: Apache-2.0
#include "media/sound_tensor.h"

#include <algorithm>

#include "media/mfcc.h"
#include "media/reals.h"

namespace inferd::media {
namespace {

bool takes_keyword_mfcc(const Shape& shape) {
  constexpr int64_t kFrames = kKeywordFrames;
  constexpr int64_t kCoefficients = kKeywordCoefficients;
  if (shape.rank() < 2 || (shape[0] != 1 && shape[0] != kDynamicDim)) return false;
  const auto rest = shape.dims().subspan(1);
  const Shape wanted[] = {
      {kFrames, kCoefficients, 1}, {kFrames, kCoefficients}, {kFrames * kCoefficients}};
  return std::any_of(std::begin(wanted), std::end(wanted),
                     [&](const Shape& w) { return w == Shape(rest); });
}

}  // namespace

Result<Array> sound_tensor(const Sound& sound, const TensorInfo& input) {
  if (!takes_keyword_mfcc(input.shape)) {
    return invalid_argument("input '" + input.name + "' " + input.shape.to_string() +
                            ": only keyword spotting's [1,49,10,1] is made from a sound; give "
                            "other features as .npy");
  }
  if (sound.rate != kKeywordRate) {
    return invalid_argument("has " + std::to_string(sound.rate) + " samples per second, input '" +
                            input.name + "' wants 16000: resample it first");
  }
  return array_of(keyword_mfcc(sound.samples), input);
}

}  // namespace inferd::media
