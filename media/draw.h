// SPDX-License-Identifier: Apache-2.0
//
// Marks on pictures: rectangles and short texts in a built-in 5x7 font.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "media/image.h"

namespace inferd::media {

using Colour = std::array<uint8_t, 3>;  // red, green, blue

Colour colour_of(int index);  // well apart for small indices

// Pixels; parts outside the picture are not drawn.
void draw_rectangle(Image& image, int x0, int y0, int x1, int y1, int thickness, Colour colour);

// Upper left corner at (x, y), on a filled background; characters outside ASCII print as '?'.
void draw_text(Image& image, int x, int y, std::string_view text, int scale, Colour background);

}  // namespace inferd::media
