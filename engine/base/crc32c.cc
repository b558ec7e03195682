// SPDX-License-Identifier: Apache-2.0
#include "engine/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace inferd {
namespace {

// kTables[k][b]: what byte b does to the checksum k bytes later ("slicing by 8": Kounavis and
// Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators", 2005).
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  constexpr uint32_t kReflectedPolynomial = 0x82f63b78;
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kReflectedPolynomial : 0);
    tables[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t before = tables[k - 1][b];
      tables[k][b] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

uint64_t load_word(const std::byte* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// Both take and give the checksum's complement, which is what is computed with.
uint32_t update_portable(std::span<const std::byte> bytes, uint32_t crc) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const uint64_t word = load_word(bytes.data()) ^ crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][word >> 8 * k & 0xff];
  }
  for (const std::byte b : bytes) {
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<uint32_t>(b)) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)
bool has_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2");
  return has;
}
[[gnu::target("sse4.2")]] uint32_t update_by_instruction(std::span<const std::byte> bytes,
                                                         uint32_t crc) {
  uint64_t wide = crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    wide = _mm_crc32_u64(wide, load_word(bytes.data()));
  }
  crc = static_cast<uint32_t>(wide);
  for (const std::byte b : bytes) crc = _mm_crc32_u8(crc, std::to_integer<uint8_t>(b));
  return crc;
}
#elif defined(__aarch64__)
bool has_instruction() {
  constexpr unsigned long kHwcapCrc32 = 1UL << 7;  // HWCAP_CRC32 of <asm/hwcap.h>
  static const bool has = (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
  return has;
}
// By the assembler: the intrinsics' names differ between compilers unless the whole file is
// compiled for the extension.
uint32_t update_by_instruction(std::span<const std::byte> bytes, uint32_t crc) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(load_word(bytes.data())));
  }
  for (const std::byte b : bytes) {
    asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"
        : "+r"(crc)
        : "r"(std::to_integer<uint32_t>(b)));
  }
  return crc;
}
#else
bool has_instruction() { return false; }
uint32_t update_by_instruction(std::span<const std::byte> bytes, uint32_t crc) {
  return update_portable(bytes, crc);
}
#endif

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  return ~(has_instruction() ? update_by_instruction(bytes, ~crc) : update_portable(bytes, ~crc));
}

uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t crc) {
  return ~update_portable(bytes, ~crc);
}

}  // namespace inferd
