// SPDX-License-Identifier: Apache-2.0
//
// What libcamera's cameras can give, and which of that is wanted.
#pragma once

#include <libcamera/camera.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"
#include "media/picture.h"

namespace inferd::pipeline {

struct LibcameraWish {
  unsigned width = 0, height = 0;  // pixels; 0: as the camera has them
  std::string format = "auto";     // or one of libcamera_format_names()
};

// "auto", "nv12", ...
std::vector<std::string> libcamera_format_names();

// Its name among them; empty: it is none of them.
std::string libcamera_format_name(const libcamera::PixelFormat& format);

// False: MJPEG, which has to be decoded; only of formats that choose_libcamera_format() takes.
bool libcamera_is_picture(const libcamera::PixelFormat& format);

// Makes the one stream of `configuration` what is wished for, and validates it. UNIMPLEMENTED: the
// camera has no such format; INVALID_ARGUMENT: not in this size; the messages say what it has.
Status choose_libcamera_format(const LibcameraWish& wish,
                               libcamera::CameraConfiguration& configuration);

// The planes of a buffer as a picture: one for each plane of the format, or one for all.
// INVALID_ARGUMENT: the sides or rows are none of a picture; DATA_LOSS: a plane is too short.
Result<media::Picture> libcamera_picture(const libcamera::StreamConfiguration& stream,
                                         std::span<const std::span<const uint8_t>> planes);

// A sensor's time as CLOCK_MONOTONIC ns, given what both clocks show now. It is CLOCK_BOOTTIME as
// libcamera says, but many drivers give CLOCK_MONOTONIC: they differ by how long the machine slept.
int64_t sensor_ns(int64_t timestamp_ns, int64_t monotonic_ns, int64_t boottime_ns);

}  // namespace inferd::pipeline
