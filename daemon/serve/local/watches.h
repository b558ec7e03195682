// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/local/frames.h"

namespace inferd::serve::local {

// The pipelines that one client watches, and the results on their way to it. Thread-safe.
class Watches {
 public:
  static constexpr size_t kMost = 16;

  // `id` names it. ALREADY_EXISTS, RESOURCE_EXHAUSTED, FAILED_PRECONDITION after close(), or what
  // Pipelines::subscribe() says. `on_change` as there: send() has something to do then. Nothing is
  // sent before begin().
  Status add(uint64_t id, const Watch& watch, pipeline::Pipelines& pipelines,
             std::function<void()> on_change);
  void begin(uint64_t id);
  Status remove(uint64_t id);  // NOT_FOUND
  // Ends all of them; no more are taken.
  void close();

  // False: there is no room, try again.
  using Send = std::function<bool(std::span<const std::byte> frame)>;
  // Sends the results that have come, as far as there is room.
  void send(const Send& send);
  // Whether something waits for room.
  bool waits() const { return waits_.load(std::memory_order_relaxed); }

 private:
  struct One {
    uint64_t id = 0;
    bool binary = false, begun = false;
    std::unique_ptr<pipeline::Subscription> subscription;
    std::vector<std::byte> frame;  // that found no room, or empty
    bool over = false;             // that is the last one
  };

  bool send_of(One& one, const Send& send);
  bool prepare(One& one);
  void write(const One& one, const pipeline::FrameResult& result, std::vector<std::byte>& frame);

  std::atomic<bool> waits_{false};
  std::mutex mutex_;
  std::vector<One> all_;  // by mutex_, as all below
  std::string text_;      // of a result; kept from one to the next
  bool closed_ = false;
};

}  // namespace inferd::serve::local
