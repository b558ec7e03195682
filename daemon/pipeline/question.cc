// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/question.h"

#include <algorithm>
#include <map>
#include <utility>

namespace inferd::pipeline {
namespace {

// Not live, so that no node leaves it out, and the pipeline ends by itself.
class OnePicture final : public Source {
 public:
  // Null: there is none, and it ends at once.
  explicit OnePicture(std::shared_ptr<const media::Image> image) : image_(std::move(image)) {}

  bool live() const override { return false; }
  Status open() override { return ok_status(); }
  Result<bool> next(Stopper& stopper, Frame& frame) override {
    if (image_ == nullptr || std::exchange(given_, true) || stopper.stopped()) return false;
    frame.capture_ns = schedule::now_ns();
    frame.picture = media::view_of(*image_);
    frame.lease = image_;
    return true;
  }

 private:
  const std::shared_ptr<const media::Image> image_;
  bool given_ = false;
};

// The pipeline without what belongs to a stream.
config::PipelineConfig stages_of(config::PipelineConfig config) {
  config.deadline_ms = 0;
  const auto strip = [](std::vector<config::NodeConfig>& stages,
                        std::vector<config::NodeConfig>& sinks) {
    std::erase_if(stages, [](const config::NodeConfig& stage) { return needs_stream(stage.type); });
    sinks.clear();
  };
  strip(config.stages, config.sinks);
  for (config::PipelineNode& node : config.nodes) {
    strip(node.stages, node.sinks);
    node.every = 1;
    node.max_fps = 0;
  }
  return config;
}

Result<std::shared_ptr<const media::Image>> image_of(const Question& question) {
  auto image = std::make_shared<media::Image>();
  if (question.encoded.empty()) {
    media::to_rgb(question.pixels, *image);
  } else {
    INFERD_ASSIGN_OR_RETURN(*image, media::decode_image(question.encoded));
  }
  return std::shared_ptr<const media::Image>(std::move(image));
}

// As nodes stand in the graph. Of one that reads several cameras, which all had the same picture,
// the answer for the first.
std::vector<FrameResult> in_order(const Graph& graph, std::vector<FrameResult> results) {
  std::vector<FrameResult> ordered;
  std::map<size_t, std::string> answered_for;  // sources, by configured node
  for (const GraphNode& instance : graph.instances) {
    for (FrameResult& result : results) {
      if (result.node != instance.name) continue;
      const auto first = answered_for.emplace(instance.config, instance.source).first;
      if (first->second == instance.source) ordered.push_back(std::move(result));
    }
  }
  return ordered;
}

}  // namespace

Result<OnePictureRun> OnePictureRun::create(const config::PipelineConfig& config,
                                            models::Repository& repository,
                                            const Question& question) {
  auto decoded = image_of(question);
  if (!decoded.ok()) return decoded.status().with_context("the picture");
  Feeds feeds([&image = *decoded](const config::NodeConfig& source) {
    return Result<std::unique_ptr<Source>>(
        std::make_unique<OnePicture>(signal_of(source).samples ? nullptr : image));
  });
  INFERD_ASSIGN_OR_RETURN(std::shared_ptr<Pipeline> pipeline,
                          Pipeline::create(stages_of(config), repository, &feeds));
  if (!pipeline->has_pictures())
    return failed_precondition("the frames of pipeline '" + config.name + "' are no pictures");
  return OnePictureRun(std::move(pipeline), question.timeout_ms);
}

Result<std::vector<FrameResult>> OnePictureRun::answer() {
  pipeline_->leave_log_alone();
  const auto mailbox = std::make_shared<Mailbox>(kMaxGraphNodes);
  pipeline_->start(mailbox);
  const int64_t until = schedule::now_ns() + timeout_ms_ * 1'000'000;
  std::vector<FrameResult> results;
  while (!mailbox->ended()) {
    const int64_t left_ms = (until - schedule::now_ns()) / 1'000'000;
    if (left_ms <= 0) {
      return Status(StatusCode::kDeadlineExceeded,
                    "there was no answer within " + std::to_string(timeout_ms_) + " ms");
    }
    if (const auto result = mailbox->take(left_ms)) results.push_back(*result);
  }
  const std::string error = pipeline_->status().last_error;
  if (results.empty() && !error.empty()) return failed_precondition(error);
  return in_order(pipeline_->graph(), std::move(results));
}

}  // namespace inferd::pipeline
