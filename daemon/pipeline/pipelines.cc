// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipelines.h"

#include "daemon/pipeline/pipeline.h"

namespace inferd::pipeline {
namespace {

class MailboxSubscription final : public Subscription {
 public:
  explicit MailboxSubscription(std::shared_ptr<Pipeline> pipeline, size_t capacity)
      : pipeline_(std::move(pipeline)), mailbox_(pipeline_->subscribe(capacity)) {}
  ~MailboxSubscription() override { pipeline_->unsubscribe(mailbox_); }

  std::shared_ptr<const FrameResult> next(int64_t timeout_ms) override {
    return mailbox_->take(timeout_ms);
  }
  bool ended() const override { return mailbox_->ended(); }
  uint64_t dropped() const override { return mailbox_->dropped(); }
  void close() override { mailbox_->close(); }

 private:
  const std::shared_ptr<Pipeline> pipeline_;
  const std::shared_ptr<Mailbox> mailbox_;
};

class PipelineSet final : public Pipelines {
 public:
  explicit PipelineSet(std::vector<std::shared_ptr<Pipeline>> pipelines)
      : pipelines_(std::move(pipelines)) {}
  ~PipelineSet() override { stop(); }

  void start() override {
    for (const auto& p : pipelines_) {
      if (p->autostart()) p->start();
    }
  }

  void stop() override {
    for (const auto& p : pipelines_) p->stop();
  }

  std::vector<PipelineStatus> list() const override {
    std::vector<PipelineStatus> list;
    for (const auto& p : pipelines_) list.push_back(p->status());
    return list;
  }

  Result<std::unique_ptr<Subscription>> subscribe(const std::string& name,
                                                  size_t capacity) override {
    std::string names;
    for (const auto& p : pipelines_) {
      if (p->name() == name) {
        return std::unique_ptr<Subscription>(std::make_unique<MailboxSubscription>(p, capacity));
      }
      names += (names.empty() ? "" : ", ") + p->name();
    }
    return not_found("there is no pipeline '" + name + "'" +
                     (names.empty() ? "" : "; there are: " + names));
  }

 private:
  const std::vector<std::shared_ptr<Pipeline>> pipelines_;
};

}  // namespace

Result<std::unique_ptr<Pipelines>> Pipelines::create(
    const std::vector<config::PipelineConfig>& configs, models::Repository& repository) {
  std::vector<std::shared_ptr<Pipeline>> pipelines;
  std::string errors;
  for (const config::PipelineConfig& config : configs) {
    auto pipeline = Pipeline::create(config, repository);
    if (pipeline.ok()) {
      pipelines.push_back(std::move(*pipeline));
    } else {
      errors += (errors.empty() ? "" : "\n") + pipeline.status().message();
    }
  }
  if (!errors.empty()) return invalid_argument(errors);
  return std::unique_ptr<Pipelines>(std::make_unique<PipelineSet>(std::move(pipelines)));
}

}  // namespace inferd::pipeline
