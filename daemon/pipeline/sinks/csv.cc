// SPDX-License-Identifier: Apache-2.0
//
// Detections or values as comma-separated values (RFC 4180, but for lines that end in "\n"), one
// row each, appended to a file, or written to standard output for the path "-".
#include <cmath>
#include <cstdio>

#include "daemon/pipeline/sinks/rotating_file.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

constexpr const char* kDetections =
    "pipeline,node,sequence,capture_ns,frame,label,class_id,score,x_min,y_min,x_max,y_max,track_id,"
    "text";
constexpr const char* kValues = "pipeline,node,sequence,capture_ns,frame,name,value";

void append_field(const std::string& text, std::string& out) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

// Empty where it is no number.
void append_number(double value, std::string& out) {
  if (!std::isfinite(value)) return;
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", value);
  out += text;
}

class Csv final : public Sink {
 public:
  Csv(std::unique_ptr<RotatingFile> file, bool values) : file_(std::move(file)), values_(values) {}

  bool looks() const override { return false; }
  Status write(const Frame&, const FrameResult& result) override {
    rows_.clear();
    begin_of(result);
    if (values_) {
      for (const Value& v : result.values) row(v);
    } else {
      for (const Detection& d : result.detections) row(d);
    }
    return rows_.empty() ? ok_status() : file_->append(rows_);
  }
  SinkStatus status() const override { return file_->status(); }

 private:
  // The fields that all rows of a result begin with.
  void begin_of(const FrameResult& result) {
    begin_.clear();
    append_field(result.pipeline, begin_);
    begin_ += ',';
    append_field(result.node, begin_);
    begin_ += ',' + std::to_string(result.sequence) + ',' + std::to_string(result.capture_ns) + ',';
    append_field(result.frame_name, begin_);
  }

  void row(const Detection& d) {
    rows_ += begin_ + ',';
    append_field(d.label, rows_);
    rows_ += ',' + std::to_string(d.class_id);
    for (const float v : {d.score, d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max}) {
      rows_ += ',';
      append_number(static_cast<double>(v), rows_);
    }
    rows_ += ',' + (d.track_id == 0 ? "" : std::to_string(d.track_id)) + ',';
    append_field(d.text, rows_);
    rows_ += '\n';
  }

  void row(const Value& v) {
    rows_ += begin_ + ',';
    append_field(v.name, rows_);
    rows_ += ',';
    append_number(v.value, rows_);
    rows_ += '\n';
  }

  const std::unique_ptr<RotatingFile> file_;
  const bool values_;
  std::string begin_, rows_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_csv(const config::NodeConfig& node) {
  config::NodeReader r(node);
  const bool values = r.one_of("rows", "detections", {"detections", "values"}) == "values";
  auto file = RotatingFile::from(r, "", values ? kValues : kDetections);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Sink>(std::make_unique<Csv>(std::move(file), values));
}

}  // namespace inferd::pipeline
