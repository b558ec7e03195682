// SPDX-License-Identifier: Apache-2.0
//
// Answers that models gave, kept for requests with the same inputs.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::schedule {

// Of one owner.
struct CacheUse {
  int64_t entries = 0;
  int64_t bytes = 0;
  uint64_t evictions = 0;  // entries that made room for others
};

// Bounded in bytes over all owners; what was not asked for the longest goes first. Thread-safe.
class ResponseCache {
 public:
  // What inputs are told apart by: 128 bits of Poly1305 under a key that is made at start and never
  // leaves the process. Two requests that differ have the same with a probability below 2^-80 for
  // 64 MiB of inputs, whatever clients choose: they see neither the key nor any hash. (For messages
  // that are sent, that key would serve only once; here nothing is sent.)
  struct Key {
    uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };

  // Immutable; valid for as long as it is held.
  struct Answer {
    std::vector<TensorView> outputs;  // of `bytes`
    std::vector<std::byte> bytes;
  };

  // INTERNAL when the system gives no random numbers or its libcrypto has no Poly1305.
  static Result<std::shared_ptr<ResponseCache>> create(int64_t max_bytes);
  ~ResponseCache();
  ResponseCache(const ResponseCache&) = delete;
  ResponseCache& operator=(const ResponseCache&) = delete;

  // For one loaded version of a model: what another one answered is not its answer.
  uint64_t new_owner();

  // Reads all inputs, which must not change until their answer is inserted.
  Key key(uint64_t owner, std::span<const TensorView> inputs) const;

  std::shared_ptr<const Answer> find(const Key& key);  // null: not there

  // Copies the outputs. Nothing happens where they are larger than the cache.
  void insert(uint64_t owner, const Key& key, std::span<const TensorView> outputs);

  void forget(uint64_t owner);  // and all of its entries
  CacheUse use(uint64_t owner) const;

 private:
  struct Mac;  // a keyed hash that has read nothing yet
  struct Entry {
    Key key;
    uint64_t owner = 0;
    int64_t bytes = 0;
    std::shared_ptr<const Answer> answer;
  };
  using Entries = std::list<Entry>;
  struct Hash {
    size_t operator()(const Key& key) const { return key.low; }
  };

  ResponseCache(int64_t max_bytes, std::unique_ptr<Mac> mac);
  void remove(Entries::iterator entry, Entries& gone);  // by mutex_

  const int64_t max_bytes_;
  const std::unique_ptr<Mac> mac_;
  mutable std::mutex mutex_;
  // All of these by mutex_.
  Entries entries_;  // the one asked for last is first
  std::unordered_map<Key, Entries::iterator, Hash> by_key_;
  std::map<uint64_t, CacheUse> uses_;
  int64_t bytes_ = 0;
  uint64_t last_owner_ = 0;
};

}  // namespace inferd::schedule
