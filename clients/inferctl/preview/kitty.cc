// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/preview/kitty.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace inferd::ctl {
namespace {

constexpr size_t kPiece = 4096;  // characters of base64 in one command, at most

std::vector<uint8_t> packed(const std::vector<uint8_t>& bytes) {
  uLongf size = compressBound(bytes.size());
  std::vector<uint8_t> packed(size);
  // It fits, and cannot fail but for memory, which new would have failed for.
  compress2(packed.data(), &size, bytes.data(), bytes.size(), Z_BEST_SPEED);
  packed.resize(size);
  return packed;
}

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(bytes.size() - i, 3);
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) three = three << 8 | (k < left ? bytes[i + k] : 0U);
    for (size_t k = 0; k < 4; ++k) text += k <= left ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string kitty_picture(const media::Image& picture, int columns, int rows) {
  const std::string data = base64(packed(picture.pixels));
  // a=T: show at once; f=24, o=z: RGB, deflated; i, p: of the last one; C=1: the cursor stays;
  // q=2: no answers.
  std::string keys = "a=T,f=24,o=z,i=1,p=1,C=1,q=2,s=" + std::to_string(picture.width) +
                     ",v=" + std::to_string(picture.height) + ",c=" + std::to_string(columns) +
                     ",r=" + std::to_string(rows) + ",";
  std::string out;
  for (size_t begin = 0; begin < data.size(); begin += kPiece) {
    const bool is_last = begin + kPiece >= data.size();
    out += "\x1b_G" + keys + "m=" + (is_last ? "0;" : "1;") + data.substr(begin, kPiece) + "\x1b\\";
    keys = "q=2,";
  }
  return out;
}

std::string kitty_end() { return "\x1b_Ga=d,d=I,i=1,q=2\x1b\\"; }

std::string kitty_question() { return "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"; }

}  // namespace inferd::ctl
