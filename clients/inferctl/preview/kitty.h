// SPDX-License-Identifier: Apache-2.0
//
// The terminal graphics protocol that kitty began (sw.kovidgoyal.net/kitty/graphics-protocol).
#pragma once

#include <string>

#include "media/image.h"

namespace inferd::ctl {

// Shows the picture where the cursor is, over this many cells, in the place of the last one; the
// cursor stays. The pixels travel compressed.
std::string kitty_picture(const media::Image& picture, int columns, int rows);

// Takes it away.
std::string kitty_end();

// Asks whether the terminal takes such pictures: it answers with kKittyYes, or not at all.
std::string kitty_question();
inline constexpr const char* kKittyYes = "\x1b_Gi=31;OK\x1b\\";

}  // namespace inferd::ctl
