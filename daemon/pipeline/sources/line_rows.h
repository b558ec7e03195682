// SPDX-License-Identifier: Apache-2.0
//
// What sources of lines of text share: their keys, and frames of rows out of text as it comes.
#pragma once

#include "daemon/config/config.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/line_parser.h"

namespace inferd::pipeline {

// The keys `columns`, `time` and `separator`.
struct LineKeys {
  std::vector<std::string> columns;
  std::string time;
  char separator = ',';
};
LineKeys read_line_keys(config::NodeReader& reader);

class LineRows {
 public:
  // `name`: of what is read, for the log, which says what is left out and why. Errors of the
  // columns are at the node's place.
  static Result<LineRows> create(const config::NodeConfig& node, LineKeys keys, std::string name,
                                 size_t max_line);

  void clear();  // forgets the text
  void add(std::string_view text) { splitter_.add(text); }

  // Makes it a frame of samples without rows.
  void begin(Frame& frame) const;
  // Appends rows until the frame has `rows` of them or no line is left. Its time is that of its
  // last row: the column `time`, but not later than `arrived_ns`, or that.
  void parse(Frame& frame, int64_t rows, int64_t arrived_ns);

 private:
  LineRows(std::string left_out, LineParser parser, size_t max_line);

  LeftOut left_out_;  // lines
  size_t max_line_;
  LineParser parser_;
  LineSplitter splitter_;
  std::shared_ptr<const std::vector<std::string>> names_;
};

}  // namespace inferd::pipeline
