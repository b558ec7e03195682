// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "media/picture.h"

namespace inferd::pipeline {

// Looks at the upper half of a picture of SMPTE's colour bars, as videotestsrc draws them: white,
// yellow, cyan, green, magenta, red and blue.
inline void expect_smpte_bars(const media::Picture& picture, int tolerance) {
  constexpr std::array<std::array<int, 3>, 7> kBars = {{{255, 255, 255},
                                                        {255, 255, 0},
                                                        {0, 255, 255},
                                                        {0, 255, 0},
                                                        {255, 0, 255},
                                                        {255, 0, 0},
                                                        {0, 0, 255}}};
  media::Image image;
  media::to_rgb(picture, image);
  ASSERT_GT(image.width, 14);
  for (size_t bar = 0; bar < kBars.size(); ++bar) {
    const int x = static_cast<int>((2 * bar + 1) * static_cast<size_t>(image.width) / 14);
    for (const int y : {image.height / 8, image.height / 3}) {
      const uint8_t* pixel = image.row(y) + static_cast<size_t>(x) * 3;
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(pixel[c], kBars[bar][c], tolerance)
            << "bar " << bar << ", channel " << c << ", at " << x << ", " << y;
      }
    }
  }
}

}  // namespace inferd::pipeline
