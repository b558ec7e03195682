// SPDX-License-Identifier: Apache-2.0
//
// From a picture to a model's input tensor: crop, turn, resize or letterbox, normalise, layout and
// type.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "inferd/engine/tensor.h"
#include "media/image.h"
#include "media/picture.h"

namespace inferd::media {

enum class Fit : uint8_t {
  kStretch,    // both sides to the target, aspect ratio ignored
  kLetterbox,  // whole picture centred, the rest filled with `pad_value`
  kCrop,       // centred part with the target's aspect ratio
};

// In parts of a picture's width and height, 0..1, y down.
struct Point {
  float x = 0, y = 0;
};
struct Corners {
  Point nearest, farthest;  // to 0 and to 1
};
struct Part {
  float x = 0, y = 0, width = 1, height = 1;
};

// Pixel p of channel c becomes real (p - mean[c]) / std[c], and then, for an int8/uint8 input with
// quantization, round_half_even(real / scale) + zero_point, clamped. For an int8/uint8 input
// without `normalize` the pixel goes in as it is (int8: minus 128), as quantized image models
// expect.
struct Preprocess {
  Fit fit = Fit::kStretch;
  bool bgr = false;  // channel order of the tensor
  bool normalize = false;
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  uint8_t pad_value = 114;
  // Of the picture as it comes, `roi` is seen; then it is turned clockwise by `rotate` (0, 90, 180
  // or 270 degrees), then mirrored left to right, and what comes of that is fitted.
  Part roi = {};
  int rotate = 0;
  bool mirror = false;
};

// Where the source picture lies in the tensor: of the whole picture, turned and mirrored, the point
// at parts (x, y) is at parts (x * scale_x + offset_x, y * scale_y + offset_y) of the tensor.
struct Placement {
  float scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
  int rotate = 0;  // as in Preprocess
  bool mirror = false;
  Part shown = {};  // of the tensor: where the part of the picture is that is seen

  // From parts of the tensor's width and height to parts of the picture's as it came.
  Point to_picture(Point tensor) const;
  // Of a box: which of its corners is nearest to 0 changes when a picture is turned.
  Corners to_picture(const Corners& tensor) const;
};

// Parses "stretch|letterbox|crop[,bgr][,mean=A[/B/C]][,std=A[/B/C]][,pad=N][,roi=X/Y/W/H]
// [,rotate=90|180|270][,mirror]", the --preprocess option of inferctl. mean or std given: normalize
// is on.
Result<Preprocess> parse_preprocess(const std::string& text);

// OK, or INVALID_ARGUMENT saying which option has a value that it cannot have.
Status check_preprocess(const Preprocess& options);

// What a float input most likely wants when nobody says: nothing; callers must ask. True for 4-D
// NHWC or NCHW tensors with 1 or 3 channels; sets height, width, channels and the channel position.
struct ImageTensor {
  int height = 0, width = 0, channels = 0;
  bool nchw = false;
};
Result<ImageTensor> image_tensor_of(const TensorInfo& input);

// Fills `tensor` (one batch element of `input`, all its bytes) from a picture; bilinear, pixel
// centres (half-pixel) as in TensorFlow 2. Grey inputs take luma. For one picture: a Preprocessor
// (media/preprocessor.h) keeps what a stream of them shares.
Result<Placement> fill_tensor(const Picture& picture, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor);
Result<Placement> fill_tensor(const Image& image, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor);

}  // namespace inferd::media
