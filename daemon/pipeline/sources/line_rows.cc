// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/line_rows.h"

#include <algorithm>

#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

char separator_of(const std::string& name) {
  if (name == "semicolon") return ';';
  if (name == "tab") return '\t';
  return name == "space" ? ' ' : ',';
}

}  // namespace

LineKeys read_line_keys(config::NodeReader& reader) {
  LineKeys keys;
  keys.columns = reader.list("columns");
  keys.time = reader.text("time", "");
  keys.separator =
      separator_of(reader.one_of("separator", "comma", {"comma", "semicolon", "tab", "space"}));
  return keys;
}

Result<LineRows> LineRows::create(const config::NodeConfig& node, LineKeys keys, std::string name,
                                  size_t max_line) {
  auto parser = LineParser::create(std::move(keys.columns), std::move(keys.time), keys.separator);
  if (!parser.ok())
    return invalid_argument(node.mark.to_string() + ": '" + node.type +
                            "' needs other 'columns': " + parser.status().message());
  return LineRows("source " + node.type + ": " + std::move(name) + ": a line is left out",
                  std::move(*parser), max_line);
}

LineRows::LineRows(std::string left_out, LineParser parser, size_t max_line)
    : left_out_(std::move(left_out)),
      max_line_(max_line),
      parser_(std::move(parser)),
      splitter_(max_line),
      names_(std::make_shared<const std::vector<std::string>>(parser_.names())) {}

void LineRows::clear() { splitter_ = LineSplitter(max_line_); }

void LineRows::begin(Frame& frame) const {
  Samples& samples = frame.samples;
  samples.rows = 0;
  samples.columns = static_cast<int>(names_->size());
  samples.rate_hz = 0;
  samples.values.clear();
  samples.names = names_;
  frame.picture = {};
  frame.name.clear();
}

void LineRows::parse(Frame& frame, int64_t rows, int64_t arrived_ns) {
  Samples& samples = frame.samples;
  while (samples.rows < rows) {
    const uint64_t too_long = splitter_.too_long();
    const auto line = splitter_.next();
    if (splitter_.too_long() != too_long)
      left_out_.add("it is longer than " + std::to_string(max_line_) + " bytes");
    if (!line) return;
    const auto time = parser_.parse(*line, samples.values);
    if (!time.ok()) {
      left_out_.add(time.status().message());
      continue;
    }
    ++samples.rows;
    frame.capture_ns = *time ? std::min(monotonic_of(**time), arrived_ns) : arrived_ns;
  }
}

}  // namespace inferd::pipeline
