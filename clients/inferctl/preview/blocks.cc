// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/preview/blocks.h"

#include <algorithm>

namespace inferd::ctl {
namespace {

constexpr const char* kUpperHalf = "\xE2\x96\x80";  // U+2580

// The nearest of the 6 x 6 x 6 colours and 24 greys behind the first 16.
int nearest_of_256(media::Colour colour) {
  constexpr int kLevels[] = {0, 95, 135, 175, 215, 255};
  const auto level = [&](int value) {
    return static_cast<int>(
        std::min_element(std::begin(kLevels), std::end(kLevels),
                         [&](int a, int b) { return std::abs(a - value) < std::abs(b - value); }) -
        std::begin(kLevels));
  };
  const int r = level(colour[0]), g = level(colour[1]), b = level(colour[2]);
  const auto distance = [&](int red, int green, int blue) {
    const int dr = red - colour[0], dg = green - colour[1], db = blue - colour[2];
    return dr * dr + dg * dg + db * db;
  };
  const int mean = (colour[0] + colour[1] + colour[2]) / 3;
  const int grey = std::clamp((mean - 3) / 10, 0, 23);
  const int shade = 8 + 10 * grey;
  if (distance(shade, shade, shade) < distance(kLevels[r], kLevels[g], kLevels[b]))
    return 232 + grey;
  return 16 + 36 * r + 6 * g + b;
}

}  // namespace

Blocks::Blocks(int columns, int rows, bool true_colour) : true_colour_(true_colour) {
  resize(columns, rows);
}

void Blocks::resize(int columns, int rows) {
  columns_ = columns;
  rows_ = rows;
  cells_.assign(static_cast<size_t>(columns) * static_cast<size_t>(rows), {});
  sent_.clear();
}

void Blocks::put(const media::Image& picture) {
  std::fill(cells_.begin(), cells_.end(), Shown());
  for (int y = 0; y < std::min(picture.height, 2 * rows_); ++y) {
    for (int x = 0; x < std::min(picture.width, columns_); ++x) {
      const uint8_t* from = picture.row(y) + static_cast<size_t>(x) * 3;
      Shown& cell = cells_[static_cast<size_t>(y / 2 * columns_ + x)];
      cell.character = '\0';
      (y % 2 == 0 ? cell.upper : cell.lower) = {from[0], from[1], from[2]};
    }
  }
}

void Blocks::label(int column, int row, std::string_view text, media::Colour colour) {
  if (row < 0 || row >= rows_) return;
  for (int x = std::max(column, 0); x < columns_; ++x) {
    const auto i = static_cast<size_t>(x - std::max(column, 0));
    if (i >= text.size()) return;
    const char c = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    cells_[static_cast<size_t>(row * columns_ + x)] = {c, colour, colour};
  }
}

std::string Blocks::colour(const char* kind, media::Colour colour) const {
  const std::string begin = std::string("\x1b[") + kind;
  if (!true_colour_) return begin + ";5;" + std::to_string(nearest_of_256(colour)) + "m";
  return begin + ";2;" + std::to_string(colour[0]) + ";" + std::to_string(colour[1]) + ";" +
         std::to_string(colour[2]) + "m";
}

std::string Blocks::changes() {
  constexpr media::Colour kWhite = {255, 255, 255};
  std::string out;
  const bool all = sent_.empty();
  std::string upper, lower;  // as the terminal has them
  for (int y = 0; y < rows_; ++y) {
    int at = -1;  // where the next character would go
    for (int x = 0; x < columns_; ++x) {
      const auto i = static_cast<size_t>(y * columns_ + x);
      const Shown& cell = cells_[i];
      if (!all && cell == sent_[i]) continue;
      if (x != at) out += "\x1b[" + std::to_string(y + 1) + ";" + std::to_string(x + 1) + "H";
      at = x + 1;
      const std::string front = colour("38", cell.character == '\0' ? cell.upper : kWhite);
      const std::string back = colour("48", cell.lower);
      if (front != upper) out += upper = front;
      if (back != lower) out += lower = back;
      out += cell.character == '\0' ? std::string(kUpperHalf) : std::string(1, cell.character);
    }
  }
  if (!out.empty()) out += "\x1b[0m";
  sent_ = cells_;
  return out;
}

}  // namespace inferd::ctl
