// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/preview/sixel.h"

#include <algorithm>
#include <array>
#include <vector>

namespace inferd::ctl {
namespace {

constexpr int kSteps = 5;      // between a channel's 6 levels
constexpr int kColours = 216;  // 6 x 6 x 6
constexpr int kBand = 6;       // pixels above each other in a sixel

// Thresholds of a 4x4 pattern, each once (Bayer).
constexpr int kPattern[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};

// The level below or above the value, by the pattern: on average the value.
int level(int value, int x, int y) {
  const int scaled = value * kSteps * 16 + 255 * kPattern[y & 3][x & 3];
  return std::min(scaled / (255 * 16), kSteps);
}

std::vector<uint8_t> colours_of(const media::Image& picture) {
  std::vector<uint8_t> colours;
  colours.reserve(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height));
  for (int y = 0; y < picture.height; ++y) {
    const uint8_t* from = picture.row(y);
    for (int x = 0; x < picture.width; ++x, from += 3) {
      colours.push_back(static_cast<uint8_t>(36 * level(from[0], x, y) + 6 * level(from[1], x, y) +
                                             level(from[2], x, y)));
    }
  }
  return colours;
}

void add_palette(std::string& out) {
  for (int c = 0; c < kColours; ++c) {
    const auto percent = [](int level) { return std::to_string(level * 100 / kSteps); };
    out += "#" + std::to_string(c) + ";2;" + percent(c / 36) + ";" + percent(c / 6 % 6) + ";" +
           percent(c % 6);
  }
}

// The same character so many times.
void add_run(std::string& out, char sixel, int count) {
  if (count > 3) {
    out += "!" + std::to_string(count) + sixel;
  } else {
    out.append(static_cast<size_t>(count), sixel);
  }
}

// Six rows of pixels: for each colour that is in them, where.
void add_band(std::string& out, const std::vector<uint8_t>& colours, int width, int top, int rows) {
  std::array<std::vector<uint8_t>, kColours> bits;  // by column; empty: not in this band
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < width; ++x) {
      const size_t at =
          static_cast<size_t>(top + y) * static_cast<size_t>(width) + static_cast<size_t>(x);
      std::vector<uint8_t>& of_colour = bits[colours[at]];
      if (of_colour.empty()) of_colour.resize(static_cast<size_t>(width));
      of_colour[static_cast<size_t>(x)] |= static_cast<uint8_t>(1U << y);
    }
  }
  for (int c = 0; c < kColours; ++c) {
    const std::vector<uint8_t>& of_colour = bits[static_cast<size_t>(c)];
    if (of_colour.empty()) continue;
    out += "#" + std::to_string(c);
    int count = 0;
    for (size_t x = 0; x < of_colour.size(); ++x) {
      ++count;
      if (x + 1 < of_colour.size() && of_colour[x + 1] == of_colour[x]) continue;
      if (x + 1 < of_colour.size() || of_colour[x] != 0)  // nothing at the end need not be said
        add_run(out, static_cast<char>('?' + of_colour[x]), count);
      count = 0;
    }
    out += '$';  // back to the left for the next colour
  }
  out += '-';
}

}  // namespace

std::string sixel_picture(const media::Image& picture) {
  // 1: pixels that are not set stay; "1;1;W;H: square pixels, and how many.
  std::string out =
      "\x1bP0;1q\"1;1;" + std::to_string(picture.width) + ";" + std::to_string(picture.height);
  add_palette(out);
  const std::vector<uint8_t> colours = colours_of(picture);
  for (int top = 0; top < picture.height; top += kBand)
    add_band(out, colours, picture.width, top, std::min(kBand, picture.height - top));
  return out + "\x1b\\";
}

}  // namespace inferd::ctl
