// SPDX-License-Identifier: Apache-2.0
//
// A source that runs: opened, read, and opened again when it fails, for all who want its frames.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/pipeline/inlet.h"
#include "daemon/pipeline/packet.h"
#include "daemon/pipeline/pauses.h"
#include "daemon/pipeline/source.h"
#include "daemon/pipeline/window.h"

namespace inferd::pipeline {

//   idle --somebody wants frames--> opening --> running --> ended (not live)
//                                      ^           |
//                                      |           +-- an error, or silence --> waiting (live)
//                                      +------------- the pause is over ----------+
//                                                  +-- an error --> failed (not live)
enum class FeedState { kIdle, kOpening, kRunning, kWaiting, kEnded, kFailed };
const char* feed_state_name(FeedState state);

struct FeedStatus {
  FeedState state = FeedState::kIdle;
  std::string reason;  // of the last failure; stays after it is over
  uint64_t frames = 0;
  uint64_t failures = 0;  // how often it had to be opened again
  double fps = 0;         // over the last seconds
};

// Thread-safe.
class Feed {
 public:
  // Both are called on the feed's thread.
  class Consumer {
   public:
    virtual ~Consumer() = default;
    // May wait only where the source is not live.
    virtual void take(const Ref<SharedFrame>& frame) = 0;
    // No frames any more: the source is not live, and has ended or, with an error, failed.
    virtual void end(const Status& why) = 0;
  };

  // `name`: for messages. `pauses`: before a live source is opened again; a frame resets them.
  Feed(std::string name, std::unique_ptr<Source> source,
       const Pauses& pauses = {250'000'000, 10'000'000'000});
  ~Feed();  // without consumers

  bool live() const { return live_; }
  // The first consumer starts the source. One that is not live has one consumer in all its life.
  void add(Consumer* consumer);
  // Does nothing to one that is not there. The last one stops the source. The consumer is not
  // called any more when it returns; it must not wait inside of take() for who calls this.
  void remove(Consumer* consumer);
  FeedStatus status() const;
  // To be called now and then: notices a source that is silent for longer than its patience.
  void look_after(int64_t now_ns);

 private:
  void run();
  bool read_until_error(Status& why);
  void deliver(const Ref<SharedFrame>& frame);
  void finish(const Status& why);
  void set_state(FeedState state, const Status& why);
  bool stopping() const;
  bool pause(int64_t ns);

  const std::string name_;
  const std::unique_ptr<Source> source_;  // of the thread while it runs
  const bool live_;
  const int64_t patience_ns_;
  Pauses pauses_;  // of the thread
  Pool<SharedFrame> pool_;

  std::mutex changing_;               // held by who adds or removes
  std::mutex consumers_mutex_;        // held while they are called
  std::vector<Consumer*> consumers_;  // by consumers_mutex_
  std::thread thread_;                // by changing_

  static constexpr size_t kRateWindow = 256;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t opened_ = 0;  // times, of the thread
  FeedStatus status_;    // all below by mutex_
  bool stopping_ = false;
  bool silent_ = false;               // look_after() has interrupted it
  std::unique_ptr<Stopper> stopper_;  // of the source that is open
  int64_t waits_since_ = 0;           // for open() or next(); 0: it does not
  Window<int64_t> captured_at_{kRateWindow};
  std::string last_logged_;
};

// The feeds of a daemon: a live source that several pipelines configure alike is opened once.
// Thread-safe.
class Feeds {
 public:
  using MakeSource = std::function<Result<std::unique_ptr<Source>>(const config::NodeConfig&)>;

  Feeds() = default;
  // Sources are made in this way instead of by make_source().
  explicit Feeds(MakeSource make) : make_(std::move(make)) {}

  // Errors are those of make_source().
  Result<std::shared_ptr<Feed>> find(const config::NodeConfig& source);
  void look_after(int64_t now_ns);
  // Of the sources that wait for other processes.
  Inlets& inlets() { return *inlets_; }

 private:
  const std::shared_ptr<Inlets> inlets_ = std::make_shared<Inlets>();
  const MakeSource make_ = [this](const config::NodeConfig& source) {
    return make_source(source, inlets_);
  };
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Feed>> live_;  // by mutex_; by configuration
};

// How many per second, over the last five; 0 when nothing came since. `times`: CLOCK_MONOTONIC ns.
double rate_of(const Window<int64_t>& times, int64_t now_ns);

}  // namespace inferd::pipeline
