// SPDX-License-Identifier: Apache-2.0
//
// One node of a pipeline at work: a thread that takes frames through stages to sinks and to the
// nodes that read it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/inbox.h"
#include "daemon/pipeline/join.h"
#include "daemon/pipeline/lane.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/pipeline/rate_limit.h"
#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/snapshots.h"
#include "daemon/pipeline/stage.h"
#include "daemon/pipeline/tiles.h"
#include "daemon/pipeline/wanted.h"
#include "daemon/pipeline/window.h"

namespace inferd::pipeline {

struct NamedStage {
  std::string name;
  std::unique_ptr<Stage> stage;
};

// Of all instances of a node.
struct SharedSink {
  std::string name;
  std::unique_ptr<Sink> sink;  // by mutex
  std::mutex mutex;
};

// What a node is made of.
struct NodeParts {
  std::string pipeline, name, source;            // for results and messages
  const config::PipelineNode* config = nullptr;  // outlives it
  bool live = false;                             // frames come whether they are taken or not
  bool copies_outputs = false;                   // a stage uses outputs of a model of a node before
  bool is_last = false;                          // who watches the pipeline is told its results
  int64_t deadline_ns = 0;                       // after the capture; 0: none
  std::vector<NamedStage> stages;
  std::vector<std::shared_ptr<SharedSink>> sinks;
};

// Started once. Statistics from any thread; put() and close() by those that it reads.
class Node {
 public:
  // What becomes of its work. Called on the node's thread.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_error(const std::string& element, const Status& status) = 0;
    // Of a last node. True: somebody keeps the result, which then must not change any more.
    virtual bool on_result(const std::shared_ptr<const FrameResult>& result) = 0;
    // After its sinks had it, or without sinks.
    virtual void on_done(int64_t capture_ns, int64_t now_ns) = 0;
    virtual void on_end() = 0;  // the thread ends, and calls nothing any more
    virtual Snapshots& snapshots() = 0;
  };

  Node(NodeParts parts, Owner& owner);
  ~Node();  // ended, or never started

  void add_reader(Node* reader, size_t input) { readers_.push_back({reader, input}); }
  void start();

  // Skips frames as `every` and `max_fps` say; else waits until there is room, or drops what
  // waited, by NodeParts::live. Of one thread for each input.
  void put(size_t input, Ref<Packet> packet);
  // Nothing more comes from this input.
  void close(size_t input);
  // Ends as soon as what it works on is finished; what waits is dropped.
  void stop();
  void join();

  const std::string& name() const { return parts_.name; }
  NodeStatus status(int64_t now_ns) const;
  // Adds those of its stages and sinks.
  void add_statistics(std::vector<NodeStatistics>& all) const;
  // Since when it works at one frame; 0: it waits for one.
  int64_t busy_since_ns() const { return busy_since_.load(std::memory_order_relaxed); }
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  struct Meter {
    std::atomic<uint64_t> frames{0};
    std::atomic<int64_t> total_ns{0};
  };
  struct Reader {
    Node* node;
    size_t input;
  };

  void run();
  bool is_seen_after(size_t stage) const;
  bool take(Ref<Packet>& packet);
  Ref<Packet> writable(Ref<Packet> packet);
  void work_at(Ref<Packet> packet);
  void work_once(Ref<Packet> packet);
  bool process(Work& work);
  bool run_stages(Work& work, bool first_started);
  bool fail(size_t stage, const Status& status);
  // Those of `each`, in node_each.cc.
  bool run_for_each_box(Work& work);
  void choose_boxes(const Work& work);
  void merge_box(Work& found, const Region& region, Detection& box, Work& work);
  bool run_for_each_tile(Work& work);
  void run_lanes(const Work& work);
  void prepare_lane(Lane& lane, const Work& work, size_t number);
  void clear_lanes();
  void publish(const Packet& packet);
  void show(Packet& packet);
  void fill(FrameResult& result, const Work& work) const;
  void count_drop(DropReason reason, uint64_t count = 1);

  NodeParts parts_;
  Owner& owner_;
  std::vector<Reader> readers_;
  std::unique_ptr<Inbox<Ref<Packet>>> inbox_;
  std::unique_ptr<Join> join_;  // instead of the inbox, or null
  RateLimit limit_;             // of the thread that puts
  const bool splits_;           // its first stage makes several frames of one
  const Wanted wanted_;         // boxes
  std::vector<bool> seen_;      // by stage: somebody after it looks at the picture
  std::atomic<bool> stopping_{false}, ended_{false};
  std::thread thread_;

  // Of the thread.
  Pool<Packet> pool_;
  std::vector<Ref<Packet>> joined_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Region> regions_;  // of the lanes
  std::vector<size_t> boxes_;    // of the regions, by number
  TileMerger merger_;
  int tiled_width_ = 0, tiled_height_ = 0;  // of pictures that the regions are tiles of
  Fate::Value failed_ = Fate::kFailed;      // of the last frame that failed
  bool told_ = false;                       // of a frame in tiles: that it failed
  std::shared_ptr<FrameResult> result_;     // used again when nobody else has it

  const std::unique_ptr<Meter[]> meters_;  // of stages, then sinks
  std::vector<std::string> elements_;      // their names; the stages go when the thread ends
  std::atomic<uint64_t> taken_{0}, given_{0};
  std::array<std::atomic<uint64_t>, kDropReasons> drops_{};
  std::atomic<int64_t> busy_since_{0};
  static constexpr size_t kRateWindow = 256;
  mutable std::mutex rate_mutex_;
  Window<int64_t> given_at_{kRateWindow};  // by rate_mutex_
};

}  // namespace inferd::pipeline
