// SPDX-License-Identifier: Apache-2.0
//
// One pipeline: its nodes, what they read, and what is known about them.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/graph.h"
#include "daemon/pipeline/mailbox.h"
#include "daemon/pipeline/node.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/pipeline/throttle.h"

namespace inferd::pipeline {

// Thread-safe but for start().
class Pipeline final : private Node::Owner {
 public:
  // `feeds`: where live sources are shared; null: with nobody. `trusted`: see StageContext.
  static Result<std::unique_ptr<Pipeline>> create(const config::PipelineConfig& config,
                                                  models::Repository& repository,
                                                  Feeds* feeds = nullptr, bool trusted = true);
  ~Pipeline() override;  // stops

  const std::string& name() const { return config_.name; }
  const Graph& graph() const { return graph_; }
  bool is_live() const;       // all its sources are
  bool has_pictures() const;  // of a source, as far as the configuration says so
  // Before start(): what its nodes fail with is told by status() only.
  void leave_log_alone() { logs_ = false; }
  // Once. `mailbox` gets every result from the first on.
  void start(std::shared_ptr<Mailbox> mailbox = nullptr);
  // Of each source it takes no more pictures a second, from now on; 0: all. Any thread.
  void set_max_fps(double max_fps);
  // Live sources of a pipeline that runs go on until this has gone, whoever takes their frames.
  std::shared_ptr<const void> keep_sources() const;
  // Before start(), which must follow: who watches `from` watches this, and is not told that it
  // has ended.
  void take_mailboxes(Pipeline& from);
  // Lets go of the sources, finishes the frames that are worked on, closes mailboxes.
  void stop();
  // The same, waiting so long at most. False: a node is still at work, and the pipeline must be
  // kept until ended().
  bool stop_within(int64_t ns);
  bool ended() const;
  bool running() const;  // started, and neither stopped nor at the end
  // The node that works at one frame for longer than it may; empty: none.
  std::string stuck_node(int64_t now_ns) const;
  PipelineStatus status() const;

  // `on_change` is called with a lock of the pipeline's held.
  std::shared_ptr<Mailbox> subscribe(size_t capacity, std::function<void()> on_change = {});
  void unsubscribe(const std::shared_ptr<Mailbox>& mailbox);
  // The next frame of a node; see Snapshots::wait(). NOT_FOUND names the nodes that there are.
  Result<Snapshots::Shot> shoot(const std::string& node, int64_t timeout_ms);

 private:
  class Tap;
  class Keeper;

  explicit Pipeline(config::PipelineConfig config);
  Status make_nodes(models::Repository& repository, Feeds* feeds, bool trusted);
  void on_error(const std::string& element, const Status& status) override;
  bool on_result(const std::shared_ptr<const FrameResult>& result) override;
  void on_done(int64_t capture_ns, int64_t now_ns) override;
  void on_end() override;
  Snapshots& snapshots() override { return snapshots_; }
  void source_failed(const std::string& node, const Status& why);
  void let_go();
  void end(PipelineState state, const std::string& reason);

  const config::PipelineConfig config_;
  bool logs_ = true;
  Graph graph_;
  std::string source_types_, models_;         // for people
  std::vector<std::unique_ptr<Node>> nodes_;  // of instances; null for sources
  std::vector<std::unique_ptr<Tap>> taps_;    // of instances; null for others
  Snapshots snapshots_;

  static constexpr size_t kLatencyWindow = 1000;
  static constexpr size_t kRateWindow = 256;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PipelineState state_ = PipelineState::kStopped;  // all below by mutex_
  bool stopping_ = false;
  size_t running_ = 0;  // threads of nodes
  std::string reason_;
  std::string last_error_;
  uint64_t subscriber_drops_ = 0;
  Window<float> latencies_ms_{kLatencyWindow};
  std::array<uint64_t, kLatencyBuckets> latency_counts_{};
  double latency_sum_ms_ = 0;
  Window<int64_t> processed_at_{kRateWindow};
  std::set<std::shared_ptr<Mailbox>> mailboxes_;
  std::set<std::string> reported_;  // errors already logged
};

}  // namespace inferd::pipeline
