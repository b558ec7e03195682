// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::config {

// A camera's calibration as ROS' camera_calibration and OpenCV's calibration samples write it. The
// numbers are as the file has them; whoever uses them checks what they mean.
struct Calibration {
  int width = 0, height = 0;          // of the pictures that it is for; 0: not said
  std::string model;                  // "pinhole" or "fisheye"; empty: not said
  std::vector<double> camera_matrix;  // row by row, nine of them
  std::vector<double> distortion;     // at most 32
};

// INVALID_ARGUMENT with every error, "file:line:column: message" each: no YAML, keys that are
// missing, what is no finite number, a model that is not known. NOT_FOUND: no such file.
Result<Calibration> load_calibration(const std::string& path);

}  // namespace inferd::config
