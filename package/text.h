// SPDX-License-Identifier: Apache-2.0
//
// Text for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace inferd::package {

// A stranger's text as an error message may show it: in quotes, short, with '?' for what cannot be
// printed.
std::string shown(std::string_view text);

// Unix seconds as "2026-11-22T03:34:27Z", of years 1970 to 9999 (kLastTime).
inline constexpr int64_t kLastTime = 253'402'300'799;
std::string utc_text(int64_t unix_s);
std::optional<int64_t> parse_utc(std::string_view text);  // only exactly that form

}  // namespace inferd::package
