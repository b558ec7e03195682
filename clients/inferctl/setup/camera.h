// SPDX-License-Identifier: Apache-2.0
//
// Cameras that a pipeline could have, and which of their pictures it should ask for.
#pragma once

#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::ctl {

struct CameraMode {
  std::string format;         // as the source's key of that name takes it
  int width = 0, height = 0;  // pixels; 0: it says no sizes
  double fps = 0;             // at most; 0: it says no rates
};

struct Camera {
  std::string source;             // which kind of source opens it: "v4l2" or "libcamera"
  std::string id;                 // what that source's key `device` or `camera` takes
  std::string name;               // for people
  std::string device = {};        // "/dev/video0"; of v4l2
  std::vector<CameraMode> modes;  // those that the source takes
  std::string trouble = {};       // why it cannot be used as it is; empty: it can
};

// What is asked of a camera; 0: whatever suits a detector.
struct CameraWish {
  int width = 0, height = 0;
  double fps = 0;
};

// "640x480". INVALID_ARGUMENT: not such a text.
Result<CameraWish> read_size(const std::string& text);

// The mode nearest to the wish, or else to 640 x 480 at 15 a second or more, rather uncompressed
// than not. A camera without modes gives one without a size. INVALID_ARGUMENT: the wished size or
// rate is none that it has; the message lists its sizes.
Result<CameraMode> choose_mode(const Camera& camera, const CameraWish& wish);

// The one with that id, device or name. NOT_FOUND, INVALID_ARGUMENT: none, or several; the message
// lists them.
Result<Camera> find_camera(const std::vector<Camera>& cameras, const std::string& wish);

}  // namespace inferd::ctl
