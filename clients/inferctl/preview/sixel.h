// SPDX-License-Identifier: Apache-2.0
//
// Pictures for terminals that understand DEC's sixels (VT340). A fixed palette needs no library
// for choosing colours, and its pictures do not flicker from frame to frame.
#pragma once

#include <string>

#include "media/image.h"

namespace inferd::ctl {

// Shows the picture where the cursor is, a pixel for a pixel, in 6 x 6 x 6 colours; what lies
// between two of them is mixed of both in a regular pattern.
std::string sixel_picture(const media::Image& picture);

}  // namespace inferd::ctl
