// SPDX-License-Identifier: Apache-2.0
//
// A picture of each thing that was tracked, the best one, in a file with the track's number.
#include "daemon/pipeline/track/best_shots.h"

#include <cstdio>

#include "daemon/pipeline/sinks/sinks.h"
#include "daemon/telemetry/log.h"

namespace inferd::pipeline {
namespace {

class BestShotsSink final : public Sink {
 public:
  BestShotsSink(std::string path, float margin, int forget)
      : path_(std::move(path)), shots_(margin, forget) {}
  // What is still seen when the pipeline ends.
  ~BestShotsSink() override {
    const Status status = write_files(shots_.finish());
    if (!status.ok()) telemetry::log(LogLevel::kWarning, "best_shots: " + status.message());
  }

  Status write(const Frame& frame, const FrameResult& result) override {
    return write_files(shots_.update(frame.picture, result.sequence, result.detections));
  }

 private:
  // Tries all of them; the first error.
  Status write_files(std::span<const Shot> shots) const {
    Status first;
    for (const Shot& shot : shots) {
      char number[32];
      std::snprintf(number, sizeof number, "%06llu",
                    static_cast<unsigned long long>(shot.track_id));
      std::string path = path_;
      path.replace(path.find('*'), 1, number);
      const Status status = media::write_image(path, shot.image);
      if (first.ok()) first = status;
    }
    return first;
  }

  const std::string path_;
  BestShots shots_;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_best_shots(const config::NodeConfig& node) {
  config::NodeReader r(node);
  std::string path = r.required_text("path");
  const auto margin = static_cast<float>(r.number("margin", 0.1, 0, 10));
  const auto forget = static_cast<int>(r.integer("forget", 60, 1, 1'000'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  const bool picture = path.ends_with(".jpg") || path.ends_with(".png");
  if (!picture || path.find('*') == std::string::npos) {
    return invalid_argument(node.mark.to_string() +
                            ": 'path' must end in .jpg or .png, with a '*' for the track's number");
  }
  return std::unique_ptr<Sink>(std::make_unique<BestShotsSink>(std::move(path), margin, forget));
}

}  // namespace inferd::pipeline
