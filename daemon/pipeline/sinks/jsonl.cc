// SPDX-License-Identifier: Apache-2.0
//
// One JSON object per frame and line, appended to a file, or written to standard output for the
// path "-".
#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/rotating_file.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

class JsonLines final : public Sink {
 public:
  explicit JsonLines(std::unique_ptr<RotatingFile> file) : file_(std::move(file)) {}

  bool looks() const override { return false; }
  Status write(const Frame&, const FrameResult& result) override {
    line_.clear();
    append_json(result, line_);
    line_ += '\n';
    return file_->append(line_);
  }
  SinkStatus status() const override { return file_->status(); }

 private:
  const std::unique_ptr<RotatingFile> file_;
  std::string line_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_jsonl(const config::NodeConfig& node) {
  config::NodeReader r(node);
  auto file = RotatingFile::from(r, "-");
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Sink>(std::make_unique<JsonLines>(std::move(file)));
}

}  // namespace inferd::pipeline
