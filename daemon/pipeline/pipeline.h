// SPDX-License-Identifier: Apache-2.0
//
// One pipeline: a source thread, a slot, and a thread that takes frames through stages to sinks and
// subscribers.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/pipeline/mailbox.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/slot.h"
#include "daemon/pipeline/source.h"
#include "daemon/pipeline/stage.h"
#include "daemon/pipeline/window.h"

namespace inferd::pipeline {

// Thread-safe but for start().
class Pipeline {
 public:
  static Result<std::unique_ptr<Pipeline>> create(const config::PipelineConfig& config,
                                                  models::Repository& repository);
  ~Pipeline() { stop(); }

  const std::string& name() const { return name_; }
  bool autostart() const { return autostart_; }
  void start();  // once
  // Ends the source, finishes the frame on its way, closes mailboxes.
  void stop();
  PipelineStatus status() const;

  std::shared_ptr<Mailbox> subscribe(size_t capacity);
  void unsubscribe(const std::shared_ptr<Mailbox>& mailbox);

 private:
  struct NamedStage {
    std::string name;
    std::unique_ptr<Stage> stage;
  };
  struct NamedSink {
    std::string name;
    std::unique_ptr<Sink> sink;
  };

  Pipeline() = default;
  void run_source();
  void run_stages();
  bool process(Work& work);
  void publish(const Work& work);
  void report(const std::string& node, const Status& status);
  void record_time(size_t node, int64_t ns);
  void end(PipelineState state, const std::string& reason);

  std::string name_, source_type_, model_;
  bool autostart_ = true;
  std::unique_ptr<Source> source_;
  std::vector<NamedStage> stages_;  // of the stage thread once it runs; none when it has ended
  std::vector<NamedSink> sinks_;
  std::unique_ptr<Slot> slot_;
  Stopper stopper_;
  std::thread source_thread_, stage_thread_;
  std::shared_ptr<FrameResult> result_;  // of the stage thread; used again when nobody else has it

  static constexpr size_t kLatencyWindow = 1000;
  static constexpr size_t kRateWindow = 256;
  mutable std::mutex mutex_;
  PipelineState state_ = PipelineState::kStopped;  // all below by mutex_
  std::string reason_;
  std::string last_error_;
  uint64_t captured_ = 0, processed_ = 0, failed_ = 0, subscriber_drops_ = 0;
  std::vector<NodeStatistics> nodes_;
  Window<float> latencies_ms_{kLatencyWindow};
  Window<int64_t> captured_at_{kRateWindow}, processed_at_{kRateWindow};
  std::set<std::shared_ptr<Mailbox>> mailboxes_;
  std::set<std::string> reported_;  // errors already logged
};

}  // namespace inferd::pipeline
