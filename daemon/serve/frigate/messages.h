// SPDX-License-Identifier: Apache-2.0
//
// What Frigate's detector `zmq` says and is told (docs/adapters.md). Nothing here knows ZeroMQ.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/pipeline/result.h"
#include "inferd/engine/status.h"
#include "media/picture.h"

namespace inferd::serve::frigate {

// The first part of a message, JSON.
struct Header {
  enum class Kind {
    kPicture,    // a tensor comes behind it
    kModel,      // is this model there?
    kModelData,  // a model comes behind it
  };
  Kind kind = Kind::kPicture;
  int width = 0, height = 0;  // of the picture, pixels
};

// INVALID_ARGUMENT: it is none, or names a tensor that is no picture of 8 bits in rows of pixels
// ([1, height, width, 3]), and what Frigate's configuration must say then.
Result<Header> parse_header(std::string_view json);

// The picture that the second part of the message is; borrows it. INVALID_ARGUMENT: it has another
// size than its header says.
Result<media::Picture> picture_in(const Header& header, std::span<const uint8_t> bytes,
                                  media::PixelFormat format);

// An answer to a picture: rows of class, score, and the top, left, bottom and right edge in parts
// of the picture; the surest first, and what is left is zeros.
inline constexpr size_t kRows = 20, kColumns = 6;
using Table = std::array<float, kRows * kColumns>;
Table table_of(const std::vector<pipeline::FrameResult>& results);

// Parts of answers.
std::string table_header();
// `is_there`: whether the pipeline can be asked.
std::string answer_to_model(Header::Kind kind, bool is_there);

}  // namespace inferd::serve::frigate
