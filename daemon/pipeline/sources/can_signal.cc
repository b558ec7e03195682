// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/can_signal.h"

#include <linux/can.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace inferd::pipeline {
namespace {

constexpr unsigned kMaxBits = CANFD_MAX_DLEN * 8;

// Reads a text from its beginning.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void skip_spaces() {
    const size_t spaces = text_.find_first_not_of(" \t");
    text_.remove_prefix(std::min(spaces, text_.size()));
  }
  bool skip(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view word() {
    const std::string_view found = text_.substr(0, text_.find_first_of(" \t"));
    text_.remove_prefix(found.size());
    return found;
  }
  template <typename T, typename... Base>
  bool number(T& out, Base... base) {
    const auto [end, code] =
        std::from_chars(text_.data(), text_.data() + text_.size(), out, base...);
    if (code != std::errc()) return false;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return true;
  }
  // "0x1A0" or "416".
  bool id(uint32_t& out) {
    const bool hex = text_.starts_with("0x") || text_.starts_with("0X");
    if (hex) text_.remove_prefix(2);
    return number(out, hex ? 16 : 10);
  }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

// "8|16@1+ (0.01,0)"
bool read_layout(Scanner& scan, CanSignal& s) {
  if (!scan.number(s.start) || !scan.skip('|') || !scan.number(s.length) || !scan.skip('@'))
    return false;
  s.big_endian = scan.skip('0');
  if (!s.big_endian && !scan.skip('1')) return false;
  s.is_signed = scan.skip('-');
  if (!s.is_signed && !scan.skip('+')) return false;
  scan.skip_spaces();
  if (scan.at_end()) return true;
  const bool read = scan.skip('(') && scan.number(s.scale) && scan.skip(',') &&
                    scan.number(s.offset) && scan.skip(')');
  scan.skip_spaces();
  return read && scan.at_end();
}

// Where the signal begins, counting bits of a frame from the top of its first byte on.
unsigned from_the_top(unsigned start) { return start / 8 * 8 + 7 - start % 8; }

}  // namespace

std::optional<float> CanSignal::value(std::span<const uint8_t> data) const {
  const unsigned first = big_endian ? from_the_top(start) : start;
  if (first + length > data.size() * 8) return std::nullopt;
  uint64_t raw = 0;
  for (unsigned i = 0; i < length; ++i) {
    // From the most significant bit on.
    const unsigned at = big_endian ? first + i : start + length - 1 - i;
    const unsigned shift = big_endian ? 7 - at % 8 : at % 8;
    raw = raw << 1 | (data[at / 8] >> shift & 1U);
  }
  const unsigned unused = 64 - length;
  const double number = is_signed
                            ? static_cast<double>(static_cast<int64_t>(raw << unused) >> unused)
                            : static_cast<double>(raw);
  return static_cast<float>(number * scale + offset);
}

Result<CanSignal> parse_can_signal(std::string_view text) {
  const std::string quoted = "signal '" + std::string(text) + "'";
  CanSignal s;
  Scanner scan(text);
  scan.skip_spaces();
  if (!scan.id(s.id)) return invalid_argument(quoted + " must begin with an id, such as 0x1A0");
  scan.skip_spaces();
  s.name = std::string(scan.word());
  scan.skip_spaces();
  if (s.name.empty() || !read_layout(scan, s))
    return invalid_argument(quoted + " must be like '0x1A0 speed 8|16@1+ (0.01,0)'");
  const bool marked = (s.id & CAN_EFF_FLAG) != 0;
  const uint32_t number = s.id & ~CAN_EFF_FLAG;
  if (number > CAN_EFF_MASK) return invalid_argument(quoted + ": ids go up to 0x1FFFFFFF");
  if (marked || number > CAN_SFF_MASK) s.id = number | CAN_EFF_FLAG;
  if (s.length < 1 || s.length > 64)
    return invalid_argument(quoted + ": its length must be 1 to 64 bits");
  if (s.start >= kMaxBits || (s.big_endian ? from_the_top(s.start) : s.start) + s.length > kMaxBits)
    return invalid_argument(quoted + " does not fit in a frame of 64 bytes");
  const double largest =
      std::ldexp(std::abs(s.scale), static_cast<int>(s.length)) + std::abs(s.offset);
  if (!(largest <= std::numeric_limits<float>::max()))
    return invalid_argument(quoted + ": its values are too large");
  return s;
}

}  // namespace inferd::pipeline
