// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pipelines.h"

#include <atomic>
#include <mutex>

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
  explicit PipelineSet(models::Repository& repository) : repository_(repository) {}
  ~PipelineSet() override { stop(); }

  // Before it is used by others.
  Status add(const config::PipelineConfig& config) {
    INFERD_ASSIGN_OR_RETURN(auto made, Pipeline::create(config, repository_));
    auto entry = std::make_unique<Entry>();
    entry->config = config;
    entry->pipeline = std::move(made);
    entries_.push_back(std::move(entry));
    return ok_status();
  }

  void start() override {
    for (const auto& entry : entries_) {
      const std::lock_guard changing(entry->changing);
      if (entry->config.autostart) current(*entry)->start();
    }
  }

  void stop() override {
    closed_ = true;
    for (const auto& entry : entries_) {
      const std::lock_guard changing(entry->changing);
      current(*entry)->stop();
    }
  }

  Status start(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(Entry* const entry, find(name));
    const std::lock_guard changing(entry->changing);
    return start_entry(*entry);
  }

  Status stop(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(Entry* const entry, find(name));
    const std::lock_guard changing(entry->changing);
    current(*entry)->stop();
    return ok_status();
  }

  Status restart(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(Entry* const entry, find(name));
    const std::lock_guard changing(entry->changing);
    current(*entry)->stop();
    return start_entry(*entry);
  }

  std::vector<PipelineStatus> list() const override {
    std::vector<PipelineStatus> list;
    for (const auto& entry : entries_) list.push_back(current(*entry)->status());
    return list;
  }

  Result<PipelineStatus> status(const std::string& name) const override {
    INFERD_ASSIGN_OR_RETURN(Entry* const entry, find(name));
    return current(*entry)->status();
  }

  Result<std::unique_ptr<Subscription>> subscribe(const std::string& name,
                                                  size_t capacity) override {
    INFERD_ASSIGN_OR_RETURN(Entry* const entry, find(name));
    return std::unique_ptr<Subscription>(
        std::make_unique<MailboxSubscription>(current(*entry), capacity));
  }

 private:
  struct Entry {
    config::PipelineConfig config;
    std::mutex changing;  // held by who starts or stops it, for as long as that takes
    mutable std::mutex mutex;
    std::shared_ptr<Pipeline> pipeline;  // by mutex
  };

  Result<Entry*> find(const std::string& name) const {
    std::string names;
    for (const auto& entry : entries_) {
      if (entry->config.name == name) return entry.get();
      names += (names.empty() ? "" : ", ") + entry->config.name;
    }
    return not_found("there is no pipeline '" + name + "'" +
                     (names.empty() ? "" : "; there are: " + names));
  }

  static std::shared_ptr<Pipeline> current(const Entry& entry) {
    const std::lock_guard lock(entry.mutex);
    return entry.pipeline;
  }

  // By entry.changing. A pipeline runs once; the next run is another one's.
  Status start_entry(Entry& entry) {
    if (closed_) return unavailable("the daemon stops and starts nothing more");
    const auto before = current(entry);
    if (before->status().state == PipelineState::kRunning) return ok_status();
    before->stop();  // its threads have ended, or are about to
    INFERD_ASSIGN_OR_RETURN(std::shared_ptr<Pipeline> next,
                            Pipeline::create(entry.config, repository_));
    next->start();
    const std::lock_guard lock(entry.mutex);
    entry.pipeline = std::move(next);
    return ok_status();
  }

  models::Repository& repository_;
  std::vector<std::unique_ptr<Entry>> entries_;  // the same from the start on
  std::atomic<bool> closed_{false};
};

}  // namespace

Result<std::unique_ptr<Pipelines>> Pipelines::create(
    const std::vector<config::PipelineConfig>& configs, models::Repository& repository) {
  auto pipelines = std::make_unique<PipelineSet>(repository);
  std::string errors;
  for (const config::PipelineConfig& config : configs) {
    const Status added = pipelines->add(config);
    if (!added.ok()) errors += (errors.empty() ? "" : "\n") + added.message();
  }
  if (!errors.empty()) return invalid_argument(errors);
  return std::unique_ptr<Pipelines>(std::move(pipelines));
}

}  // namespace inferd::pipeline
