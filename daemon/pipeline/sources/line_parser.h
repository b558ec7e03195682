// SPDX-License-Identifier: Apache-2.0
//
// Numbers out of lines of text, as sensors send them: JSON objects, or fields with separators.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// Cuts text into lines, which end with LF or CR LF, and skips those that are too long.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line) : max_line_(max_line) {}

  // What came next. After next() has had all lines, this and `max_line` bytes are in memory at
  // most.
  void add(std::string_view text);

  // The next line that is complete, without its end; valid until the next add(). Empty ones are
  // left out.
  std::optional<std::string_view> next();

  uint64_t too_long() const { return too_long_; }  // lines, so far

 private:
  size_t max_line_;
  std::string text_;
  size_t at_ = 0;          // of the next line in text_
  bool skipping_ = false;  // the rest of a line whose beginning is gone
  uint64_t too_long_ = 0;
};

class LineParser {
 public:
  // `columns` are what a line has to have. Of JSON each is a field, or a field in a field
  // ("imu.accel.x", "values.0"); what is not named may be there. Of other lines they are the fields
  // in their order, and "_" is one that is not wanted; `separator` ' ' stands for any number of
  // spaces and tabs. `time` is the column that has the time of day in seconds; empty: there is
  // none. INVALID_ARGUMENT: there is nothing to take, a column twice, or `time` is no column.
  static Result<LineParser> create(std::vector<std::string> columns, std::string time,
                                   char separator);

  // Those whose values rows have: all but `time` and "_".
  const std::vector<std::string>& names() const { return names_; }

  // Appends the line's values to `values`, and says its time, Unix ns; none: no column has it.
  // INVALID_ARGUMENT, and nothing appended: a column is missing or is no finite number, or there
  // are more fields than columns. JSON is told by its first letter.
  Result<std::optional<int64_t>> parse(std::string_view line, std::vector<float>& values);

 private:
  struct Column {
    std::string name;
    std::vector<std::string> path;
    bool is_time = false, is_wanted = true;
  };

  // Into numbers_, one for each wanted column, the time among them.
  Status parse_json(std::string_view line);
  Status parse_fields(std::string_view line);

  std::vector<Column> columns_;
  std::vector<std::string> names_;
  std::vector<double> numbers_;
  char separator_ = ',';
};

}  // namespace inferd::pipeline
