// SPDX-License-Identifier: Apache-2.0
//
// The first bytes of a compiled model (docs/ifd-format.md). Private to import/ifd.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/crc32c.h"

namespace inferd::import {

inline constexpr size_t kBlockAlignment = 64;   // of everything in the file
inline constexpr size_t kPageAlignment = 4096;  // of blocks that are at least as large
inline constexpr std::array<char, 8> kIfdMagic = {'\x89', 'I', 'F', 'D', '\r', '\n', '\x1a', '\n'};

// Numbers are little-endian, texts end with a zero.
struct FileHeader {
  std::array<char, 8> magic = kIfdMagic;
  uint32_t version = 0;
  uint32_t graph_checksum = 0;  // CRC-32C, as the other one
  uint64_t file_bytes = 0;
  uint64_t graph_offset = 0;
  uint64_t graph_bytes = 0;
  std::array<char, 24> engine_version{};
  std::array<char, 24> packing_id{};
  std::array<char, 24> isa{};
  uint32_t reserved[3] = {};
  uint32_t checksum = 0;  // of what is before it

  uint32_t expected_checksum() const {
    return crc32c(std::as_bytes(std::span(this, 1)).first(offsetof(FileHeader, checksum)));
  }
};
static_assert(sizeof(FileHeader) == 128 && std::is_trivially_copyable_v<FileHeader>);

template <size_t kSize>
std::string to_text(const std::array<char, kSize>& field) {
  return {field.begin(), std::find(field.begin(), field.end(), '\0')};
}
template <size_t kSize>
void set_text(std::string_view text, std::array<char, kSize>* field) {
  std::copy_n(text.begin(), std::min(text.size(), kSize - 1), field->begin());
}

}  // namespace inferd::import
