// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "daemon/pipeline/packet.h"

namespace inferd::pipeline {

struct JoinOptions {
  size_t inputs = 2;
  int64_t tolerance_ns = 0;
  int64_t wait_ns = 0;
  size_t queue = 1;         // packets of input 0 that wait
  bool latest_wins = true;  // when they are more: the oldest goes, or whoever brings one waits
};

// Brings together packets of several inputs by their times of capture. Each packet of input 0 gets
// of every other input the one that was captured nearest to it, which may belong to several. It is
// known as soon as a later one has come; after `wait_ns` what is there must do. Thread-safe.
class Join {
 public:
  explicit Join(const JoinOptions& options);

  enum class Put { kTaken, kReplaced, kClosed };
  Put put(size_t input, Ref<Packet> packet);
  // Nothing more comes from this input; what is inside is still joined.
  void close(size_t input);
  void close();  // of all

  // Waits for the next packet of input 0 whose others are all within the tolerance, and fills its
  // `joined`, in the order of inputs; adds to `unmatched` those that were dropped because they were
  // not. False: closed, and nothing is left.
  bool take(Ref<Packet>& packet, std::vector<Ref<Packet>>& joined, uint64_t& unmatched);
  size_t size() const;

 private:
  // Others that are kept, while the first input's are waited for.
  static constexpr size_t kKept = 64;

  struct Waiting {
    Ref<Packet> packet;
    int64_t until_ns = 0;
  };

  bool decided(const Waiting& waiting, int64_t now) const;
  bool match(const Packet& packet, std::vector<Ref<Packet>>& joined);

  const JoinOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> first_;                     // by mutex_
  std::vector<std::vector<Ref<Packet>>> others_;  // by mutex_; input 1 and on, oldest first
  std::vector<bool> closed_;                      // by mutex_; of each input
};

}  // namespace inferd::pipeline
