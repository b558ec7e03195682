// SPDX-License-Identifier: Apache-2.0
//
// Pictures of characters: every cell of the terminal has two pixels, one above the other, as the
// colours of a half block. Any terminal with colours shows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "media/draw.h"
#include "media/image.h"

namespace inferd::ctl {

// Keeps what the terminal shows, so that only cells that change are sent.
class Blocks {
 public:
  // `true_colour`: 24 bits each; otherwise the 256 colours that terminals have in common.
  Blocks(int columns, int rows, bool true_colour);

  // Forgets the last picture: the next one is sent whole.
  void resize(int columns, int rows);

  // A picture of at most columns x 2 * rows pixels, at the upper left.
  void put(const media::Image& picture);
  // White on the colour, over what was put; only ASCII is shown, the rest as '?'. Cut at the right.
  void label(int column, int row, std::string_view text, media::Colour colour);

  // What turns the terminal's last picture into this one; row 0 is the first line.
  std::string changes();

 private:
  struct Shown {
    char character = ' ';            // '\0': the half block
    media::Colour upper{}, lower{};  // of a character: what is behind it
    bool operator==(const Shown&) const = default;
  };

  std::string colour(const char* kind, media::Colour colour) const;

  int columns_ = 0, rows_ = 0;
  const bool true_colour_;
  std::vector<Shown> cells_, sent_;
};

}  // namespace inferd::ctl
