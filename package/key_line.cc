// SPDX-License-Identifier: Apache-2.0
#include "package/key_line.h"

#include <sodium.h>

#include <algorithm>

namespace inferd::package {
namespace {

constexpr std::string_view kAlgorithm = "ed25519";
constexpr size_t kIdDigits = 16;

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// What stands before the next space, which goes with it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

}  // namespace

std::string key_line(std::string_view kind, std::string_view id,
                     std::span<const unsigned char> bytes) {
  std::string line;
  line.append(kind).append(" ").append(kAlgorithm).append(" ").append(id).append(" ");
  const size_t start = line.size();
  line.resize(start + sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL));
  sodium_bin2base64(line.data() + start, line.size() - start, bytes.data(), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  line.back() = '\n';  // instead of the terminating zero
  return line;
}

Result<std::string> parse_key_line(std::string_view kind, std::string_view text,
                                   const std::string& name, std::span<unsigned char> bytes) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  const bool starts = take_word(text) == kind && take_word(text) == kAlgorithm;
  const std::string_view id = starts ? take_word(text) : std::string_view();
  size_t size = 0;
  const char* end = nullptr;
  const bool valid = is_id(id) &&
                     sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(),
                                       nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
                     size == bytes.size() && end == text.data() + text.size();
  if (valid) return std::string(id);
  return invalid_argument("'" + name + "' is not one line '" + std::string(kind) + " " +
                          std::string(kAlgorithm) + " ID BASE64' with " +
                          std::to_string(bytes.size()) + " bytes in base64");
}

}  // namespace inferd::package
