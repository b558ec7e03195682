// SPDX-License-Identifier: Apache-2.0
//
// Pictures, options and inputs at random, for tests of what becomes of the ones in the others.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "media/preprocess.h"

namespace inferd::media {

// A picture of noise, in blocks of memory with nothing around them and with rows apart.
struct Noise {
  std::array<std::vector<uint8_t>, 3> memory;
  Picture picture;
};

// Rows `gap` bytes apart; the last one without: whatever is read beyond it is found by a sanitizer.
inline Noise noise(PixelFormat format, int width, int height, size_t gap, std::mt19937& random) {
  Noise n;
  const std::vector<uint8_t> bytes(packed_bytes(format, width, height).value());
  n.picture = packed_picture(format, width, height, bytes).value();
  n.picture.color = static_cast<ColorSpace>(random() % 4);
  for (size_t p = 0; p < 3 && n.picture.planes[p] != nullptr; ++p) {
    const bool halved = p > 0;  // of the formats that have more than one
    const auto rows = static_cast<size_t>(halved ? height / 2 : height);
    const size_t row_bytes = n.picture.strides[p];
    n.picture.strides[p] += gap;
    n.memory[p].resize(n.picture.strides[p] * (rows - 1) + row_bytes);
    // Extremes are where clamping and overflow show.
    for (uint8_t& byte : n.memory[p]) {
      const uint32_t r = random();
      byte = static_cast<uint8_t>(r % 8 == 0 ? 0 : r % 8 == 1 ? 255 : r >> 8);
    }
    n.picture.planes[p] = n.memory[p].data();
  }
  return n;
}

inline constexpr PixelFormat kFormats[] = {
    PixelFormat::kRgb,  PixelFormat::kBgr,  PixelFormat::kRgbx, PixelFormat::kBgrx,
    PixelFormat::kGrey, PixelFormat::kYuyv, PixelFormat::kUyvy, PixelFormat::kNv12,
    PixelFormat::kNv21, PixelFormat::kI420};

inline TensorInfo input_of(DType dtype, int width, int height, int channels, bool nchw) {
  TensorInfo input{"x", dtype, {1, height, width, channels}, {}};
  if (nchw) input.shape = {1, channels, height, width};
  return input;
}

inline size_t bytes_of(const TensorInfo& input) {
  return static_cast<size_t>(input.shape.elements()) * dtype_size(input.dtype);
}

inline Preprocess random_options(std::mt19937& random) {
  Preprocess p;
  p.fit = static_cast<Fit>(random() % 3);
  p.bgr = random() % 2 == 0;
  p.mirror = random() % 2 == 0;
  p.rotate = static_cast<int>(random() % 4) * 90;
  p.pad_value = static_cast<uint8_t>(random());
  if (random() % 2 == 0) p.roi = {0.2F, 0.1F, 0.5F, 0.8F};
  if (random() % 2 == 0) {
    p.normalize = true;
    p.mean = {103.53F, 116.28F, 0.F};
    p.std = {57.375F, 1.F, -255.F};
  }
  return p;
}

inline TensorInfo random_input(std::mt19937& random, int width, int height) {
  constexpr DType kTypes[] = {DType::kFloat32, DType::kUInt8, DType::kInt8};
  const bool nchw = random() % 2 == 0;
  TensorInfo input = input_of(kTypes[random() % 3], width, height, random() % 4 == 0 ? 1 : 3, nchw);
  if (random() % 2 == 0 && input.dtype != DType::kFloat32)
    input.quantization = {{0.0171F}, {input.dtype == DType::kInt8 ? -11 : 117}};
  return input;
}

inline std::string described(const Picture& p, const Preprocess& o, const TensorInfo& input) {
  return pixel_format_name(p.format) + " " + std::to_string(p.width) + "x" +
         std::to_string(p.height) + " to " + std::string(dtype_name(input.dtype)) +
         input.shape.to_string() + ", fit " + std::to_string(static_cast<int>(o.fit)) +
         ", turned " + std::to_string(o.rotate) + (o.mirror ? ", mirrored" : "");
}

}  // namespace inferd::media
