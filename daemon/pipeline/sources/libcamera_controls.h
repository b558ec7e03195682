// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libcamera/controls.h>

#include <map>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// Numbers as the configuration has them, by the control's name in libcamera; true and false are
// themselves.
using LibcameraWishes = std::map<std::string, std::vector<std::string>>;

// Sets `to`, which is of the camera whose controls `known` are. INVALID_ARGUMENT: the camera lacks
// a control, or the value has not its type or range; the message says what there is.
// UNIMPLEMENTED: a control that is no number and no list of numbers.
Status set_libcamera_controls(const libcamera::ControlInfoMap& known, const LibcameraWishes& wishes,
                              libcamera::ControlList& to);

// So many pictures a second. INVALID_ARGUMENT: the camera takes no rate, or not this one.
Status set_libcamera_rate(const libcamera::ControlInfoMap& known, double fps,
                          libcamera::ControlList& to);

}  // namespace inferd::pipeline
