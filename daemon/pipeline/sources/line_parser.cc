// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/line_parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace inferd::pipeline {
namespace {

using Json = nlohmann::json;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string> split_path(const std::string& name) {
  std::vector<std::string> path(1);
  for (const char c : name) {
    if (c == '.') {
      path.emplace_back();
    } else {
      path.back() += c;
    }
  }
  return path;
}

// Null: it is not there.
const Json* find(const Json& json, const std::vector<std::string>& path) {
  const Json* at = &json;
  for (const std::string& step : path) {
    if (at->is_object()) {
      const auto it = at->find(step);
      if (it == at->end()) return nullptr;
      at = &*it;
    } else if (at->is_array()) {
      size_t index = 0;
      const auto [end, code] = std::from_chars(step.data(), step.data() + step.size(), index);
      if (code != std::errc() || end != step.data() + step.size() || index >= at->size())
        return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

Status no_number(const std::string& column) {
  return invalid_argument("'" + column + "' is missing or no number");
}

}  // namespace

void LineSplitter::add(std::string_view text) {
  text_.erase(0, at_);
  at_ = 0;
  text_.append(text);
}

std::optional<std::string_view> LineSplitter::next() {
  for (;;) {
    const size_t end = text_.find('\n', at_);
    if (end == std::string::npos) break;
    std::string_view line = std::string_view(text_).substr(at_, end - at_);
    at_ = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool skipped = std::exchange(skipping_, false);
    if (skipped || line.empty()) continue;
    if (line.size() <= max_line_) return line;
    ++too_long_;
  }
  if (text_.size() - at_ > max_line_ + 1) {  // one may be its CR
    if (!skipping_) ++too_long_;
    skipping_ = true;
    at_ = text_.size();
  }
  return std::nullopt;
}

Result<LineParser> LineParser::create(std::vector<std::string> columns, std::string time,
                                      char separator) {
  LineParser parser;
  parser.separator_ = separator;
  bool has_time = time.empty();
  for (std::string& name : columns) {
    if (name.empty()) return invalid_argument("a column has no name");
    Column column;
    column.path = split_path(name);
    column.is_time = name == time;
    column.is_wanted = name != "_";
    const bool twice = std::any_of(parser.columns_.begin(), parser.columns_.end(),
                                   [&](const Column& c) { return c.name == name; });
    if (column.is_wanted && twice) return invalid_argument("column '" + name + "' is there twice");
    has_time = has_time || column.is_time;
    if (column.is_wanted && !column.is_time) parser.names_.push_back(name);
    column.name = std::move(name);
    parser.columns_.push_back(std::move(column));
  }
  if (!has_time) return invalid_argument("the time '" + time + "' is none of the columns");
  if (parser.names_.empty()) return invalid_argument("there is no column to take");
  return parser;
}

Status LineParser::parse_json(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) return invalid_argument("the line is no JSON");
  for (const Column& column : columns_) {
    if (!column.is_wanted) continue;
    const Json* value = find(json, column.path);
    if (value == nullptr || !(value->is_number() || value->is_boolean()))
      return no_number(column.name);
    numbers_.push_back(value->is_boolean() ? (value->get<bool>() ? 1 : 0) : value->get<double>());
  }
  return ok_status();
}

Status LineParser::parse_fields(std::string_view line) {
  const bool spaces = separator_ == ' ';
  if (spaces) line = trimmed(line);
  size_t at = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    if (at > line.size()) return no_number(column.name);
    const size_t end =
        std::min(spaces ? line.find_first_of(" \t", at) : line.find(separator_, at), line.size());
    const std::string_view field = trimmed(line.substr(at, end - at));
    at = end + 1;
    if (spaces && end < line.size()) at = line.find_first_not_of(" \t", end);
    if (!column.is_wanted) continue;
    double number = 0;
    const char* begin = field.data() + (field.starts_with('+') ? 1 : 0);
    const char* behind = field.data() + field.size();
    const auto [stop, code] = std::from_chars(begin, behind, number);
    if (field.empty() || code != std::errc() || stop != behind) return no_number(column.name);
    numbers_.push_back(number);
  }
  if (at <= line.size())
    return invalid_argument("the line has more fields than the " + std::to_string(columns_.size()) +
                            " columns");
  return ok_status();
}

Result<std::optional<int64_t>> LineParser::parse(std::string_view line,
                                                 std::vector<float>& values) {
  numbers_.clear();
  const std::string_view text = trimmed(line);
  const bool json = text.starts_with('{') || text.starts_with('[');
  INFERD_RETURN_IF_ERROR(json ? parse_json(text) : parse_fields(line));
  std::optional<int64_t> time;
  const size_t before = values.size();
  Status status;
  auto number = numbers_.begin();
  for (const Column& column : columns_) {
    if (!column.is_wanted) continue;
    const double value = *number++;
    constexpr double kLatest = 4e9;  // the year 2096
    if (column.is_time && value >= 0 && value <= kLatest) {
      const double whole = std::floor(value);  // apart, as both together have not the digits
      time =
          static_cast<int64_t>(whole) * 1'000'000'000 + static_cast<int64_t>((value - whole) * 1e9);
    } else if (column.is_time) {
      status = invalid_argument("'" + column.name + "' is no time of day in seconds");
    } else if (!std::isfinite(static_cast<float>(value))) {
      status = invalid_argument("'" + column.name + "' is not finite");
    } else {
      values.push_back(static_cast<float>(value));
    }
  }
  if (status.ok()) return time;
  values.resize(before);
  return status;
}

}  // namespace inferd::pipeline
