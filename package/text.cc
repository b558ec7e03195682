// SPDX-License-Identifier: Apache-2.0
#include "package/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace inferd::package {
namespace {

using std::chrono::sys_days;
using std::chrono::sys_seconds;

// Decimal digits only.
std::optional<int> number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = 10 * value + (c - '0');
  }
  return value;
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr size_t kMost = 64;
  std::string quote(text.substr(0, kMost));
  std::replace_if(
      quote.begin(), quote.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return "'" + quote + (text.size() > kMost ? "...'" : "'");
}

std::string utc_text(int64_t unix_s) {
  const sys_seconds time{std::chrono::seconds(std::clamp<int64_t>(unix_s, 0, kLastTime))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text;
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<size_t>(size)};
}

std::optional<int64_t> parse_utc(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (text.size() != kForm.size()) return std::nullopt;
  const auto year = number(text.substr(0, 4)), month = number(text.substr(5, 2)),
             day = number(text.substr(8, 2)), hour = number(text.substr(11, 2)),
             minute = number(text.substr(14, 2)), second = number(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 59 || *year < 1970) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  const sys_seconds time = sys_days(date) + std::chrono::hours(*hour) +
                           std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  const int64_t unix_s = time.time_since_epoch().count();
  // The separators, too.
  return utc_text(unix_s) == text ? std::optional(unix_s) : std::nullopt;
}

}  // namespace inferd::package
