// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// Messages for somebody who may be away, first in, first out. Those that are taken stay until they
// are done. Kept in memory, or in files of a folder, where they survive the process (not a power
// failure: nothing waits for the disk). The folder is one buffer's at a time, and made when its
// parent is there. While it is another's, missing or full, what comes is kept in memory, at most
// kMemoryBytes of it. What is too much goes from the oldest on, a sixteenth of the buffer at a
// time, and is counted.
//
// Files: BLOCK.messages with records {uint32 CRC-32 of the rest, uint32 bytes of topic, uint32
// bytes of payload, topic, payload}, little-endian as the machine, read in the order of their
// names, 16 hexadecimal digits; "first" says where the first one that is not done begins: {uint64
// block, uint64 byte}. Damaged records and what follows them in their block are dropped.
//
// Thread-safe.
class MessageBuffer {
 public:
  static constexpr size_t kMemoryBytes = size_t{1} << 20;

  // "" for `folder`: memory. Opens nothing yet.
  MessageBuffer(std::string folder, size_t max_bytes);
  ~MessageBuffer();
  MessageBuffer(const MessageBuffer&) = delete;
  MessageBuffer& operator=(const MessageBuffer&) = delete;

  // RESOURCE_EXHAUSTED: larger than half of the buffer, and dropped.
  Status append(std::string_view topic, std::string_view payload);
  // The first that is not taken, and a number for done(). False: there is none.
  bool take(uint64_t& number, std::string& topic, std::string& payload);
  // In any order. One that was dropped meanwhile is ignored.
  void done(uint64_t number);
  // What is taken but not done can be taken again.
  void take_again();

  size_t queued() const;  // not done
  uint64_t dropped() const;
  std::string trouble() const;  // why the folder is not used; empty: it is, or none is wanted

 private:
  // A file, or memory where it has no descriptor.
  struct Block {
    uint64_t key = 0;   // of this object's blocks, never twice
    uint64_t file = 0;  // its name
    int fd = -1;
    std::string bytes = {};
    size_t size = 0;
    size_t first = 0, next = 0;  // not done, not taken
    size_t count = 0;            // messages from `first` on
  };
  struct Taken {
    uint64_t number = 0, block = 0;
    size_t end = 0;  // in the block
    bool done = false;
  };

  // All below by mutex_.
  void attach();
  Status load();
  void load_block(uint64_t file, size_t first);
  void add_block();
  bool fits(const Block& block, size_t bytes) const;
  bool write(Block& block, std::string_view record);
  bool read(const Block& block, size_t at, std::string& record) const;
  void remember_first();
  void drop(std::list<Block>::iterator block);
  void forget(std::list<Block>::iterator block);
  void make_room(size_t bytes);
  void finish(const Taken& taken);
  std::string path_of(uint64_t file) const;

  const std::string folder_;
  const size_t max_bytes_, block_bytes_;
  mutable std::mutex mutex_;
  int lock_fd_ = -1, first_fd_ = -1;  // -1: not attached
  std::list<Block> blocks_;           // oldest first
  std::deque<Taken> taken_;
  uint64_t next_key_ = 1, next_file_ = 1, next_number_ = 1;
  uint64_t dropped_ = 0;
  std::string trouble_;
  std::string record_;  // its buffer is used again
};

}  // namespace inferd::pipeline
