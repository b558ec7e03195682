// SPDX-License-Identifier: Apache-2.0
#include "media/sound.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

#include "media/file.h"

namespace inferd::media {
namespace {

constexpr uint32_t kPcm = 1;
constexpr uint32_t kIeeeFloat = 3;
constexpr uint32_t kExtensible = 0xFFFE;  // the real format stands further behind

using Bytes = std::span<const uint8_t>;

uint32_t little_endian(Bytes bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= uint32_t{bytes[i]} << (8 * i);
  return value;
}

bool is_tag(Bytes bytes, std::string_view tag) {
  return std::equal(tag.begin(), tag.end(), bytes.begin(),
                    [](char c, uint8_t b) { return static_cast<uint8_t>(c) == b; });
}

struct Format {
  uint32_t code = 0, channels = 0, rate = 0, bits = 0;
  size_t bytes_per_sample() const { return bits / 8; }
};

Result<Format> parse_format(Bytes chunk) {
  if (chunk.size() < 16) return data_loss("the 'fmt ' chunk is shorter than 16 bytes");
  Format format{little_endian(chunk.subspan(0, 2)), little_endian(chunk.subspan(2, 2)),
                little_endian(chunk.subspan(4, 4)), little_endian(chunk.subspan(14, 2))};
  constexpr size_t kSubFormat = 24;
  if (format.code == kExtensible && chunk.size() >= kSubFormat + 2) {
    format.code = little_endian(chunk.subspan(kSubFormat, 2));
  }
  const bool integers = format.code == kPcm && (format.bits == 8 || format.bits == 16 ||
                                                format.bits == 24 || format.bits == 32);
  const bool floats = format.code == kIeeeFloat && format.bits == 32;
  if (!integers && !floats) {
    return invalid_argument("format " + std::to_string(format.code) + " with " +
                            std::to_string(format.bits) +
                            " bits is not supported: convert it to 16-bit PCM");
  }
  constexpr uint32_t kMaxChannels = 64;
  if (format.channels < 1 || format.channels > kMaxChannels) {
    return invalid_argument("has " + std::to_string(format.channels) + " channels");
  }
  constexpr uint32_t kMaxRate = 1'000'000;
  if (format.rate < 1 || format.rate > kMaxRate) {
    return invalid_argument("has " + std::to_string(format.rate) + " samples per second");
  }
  return format;
}

float sample_of(const Format& format, Bytes bytes) {
  const uint32_t bits = little_endian(bytes);
  if (format.code == kIeeeFloat) return std::bit_cast<float>(bits);
  if (format.bits == 8) return (static_cast<float>(bits) - 128.F) / 128.F;  // unsigned, others not
  // To the top of 32 bits, so that the sign is in its place.
  const auto top = static_cast<int32_t>(bits << (32 - format.bits));
  return static_cast<float>(top) / 2147483648.F;
}

Sound mix(const Format& format, Bytes data) {
  const size_t width = format.bytes_per_sample();
  const size_t channels = format.channels;
  Sound sound{static_cast<int>(format.rate), std::vector<float>(data.size() / (width * channels))};
  for (size_t i = 0; i < sound.samples.size(); ++i) {
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      sum += sample_of(format, data.subspan((i * channels + c) * width, width));
    }
    sound.samples[i] = sum / static_cast<float>(channels);
  }
  return sound;
}

}  // namespace

Result<Sound> decode_wav(Bytes bytes) {
  constexpr size_t kHeader = 12;  // "RIFF", size, "WAVE"
  if (bytes.size() < kHeader || !is_tag(bytes, "RIFF") || !is_tag(bytes.subspan(8), "WAVE")) {
    return invalid_argument("not a RIFF WAVE file");
  }
  std::optional<Format> format;
  for (Bytes rest = bytes.subspan(kHeader); rest.size() >= 8;) {
    const size_t size = little_endian(rest.subspan(4, 4));
    const Bytes after = rest.subspan(8);
    if (size > after.size()) {
      return data_loss("a chunk has " + std::to_string(size) + " bytes, the file only " +
                       std::to_string(after.size()) + " more");
    }
    if (is_tag(rest, "fmt ")) {
      INFERD_ASSIGN_OR_RETURN(format, parse_format(after.first(size)));
    } else if (is_tag(rest, "data")) {
      if (!format) return invalid_argument("its samples come before their format");
      return mix(*format, after.first(size));
    }
    rest = after.subspan(std::min(size + size % 2, after.size()));  // chunks are padded to 2 bytes
  }
  return data_loss("has no samples");
}

Result<Sound> read_sound(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_file(path));
  Result<Sound> sound = decode_wav(bytes);
  if (!sound.ok()) return sound.status().with_context(path);
  return sound;
}

}  // namespace inferd::media
