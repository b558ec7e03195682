// SPDX-License-Identifier: Apache-2.0
//
// Which of a camera's formats to take, and what its bytes are as a picture.
#pragma once

#include <linux/videodev2.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/sources/v4l2_calls.h"
#include "media/picture.h"

namespace inferd::pipeline {

// What is asked of a camera; 0: whatever it has.
struct V4l2Wish {
  uint32_t width = 0, height = 0;  // pixels
  double fps = 0;
  std::string format = "auto";  // or one of v4l2_format_names()
};

std::vector<std::string> v4l2_format_names();

// The format that the camera should give: of those that can be pictures the one with the wished
// size and rate, rather uncompressed than not, rather with colours than without. Errors say what
// the camera has.
Result<uint32_t> choose_v4l2_format(V4l2Calls& calls, int fd, const V4l2Wish& wish);

// JPEG, which is no picture until it is decoded.
bool v4l2_is_compressed(uint32_t fourcc);

// The picture that lies at `bytes` as the driver says; not compressed. DATA_LOSS: fewer bytes than
// that takes.
Result<media::Picture> v4l2_picture(const v4l2_pix_format& format, std::span<const uint8_t> bytes);

// "YUYV"
std::string fourcc_text(uint32_t fourcc);

}  // namespace inferd::pipeline
