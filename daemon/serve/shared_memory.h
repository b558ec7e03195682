// SPDX-License-Identifier: Apache-2.0
//
// Triton's system shared memory extension: regions of POSIX shared memory that clients registered
// under names, and tensors that lie in them.
//
// Regions are never mapped: their owners may truncate them at any time, and whoever touches a page
// that is gone dies of it. They are read and written through their descriptors, which copies each
// tensor once and tells what is missing; nobody else sees an input change after it was checked
// either. (The local socket shares memory that cannot be truncated, and copies nothing.)
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::serve {

// Bytes read out of a region. They count until the last owner is gone.
using SharedBytes = std::shared_ptr<const std::vector<std::byte>>;

// Where a tensor lies, as a client says it.
struct TensorPlace {
  std::string region;  // empty: in the message
  uint64_t offset = 0, byte_size = 0;
};

struct SharedMemoryOptions {
  bool enabled = false;
  int64_t max_bytes = int64_t{256} << 20;  // of all regions together, and of inputs on their way
};

// Thread-safe.
class SharedMemory {
 public:
  explicit SharedMemory(const SharedMemoryOptions& options) : options_(options) {}

  struct Region {
    std::string name;
    std::string key;
    uint64_t offset = 0, byte_size = 0;
  };

  // A part of a region, which stays open while somebody has one, registered or not.
  class Part;

  // Registers [offset, offset + byte_size) of the object that shm_open() knows by `key`.
  // FAILED_PRECONDITION when this is turned off; INVALID_ARGUMENT for a name or key that is none,
  // or a range that is not within the object; NOT_FOUND, PERMISSION_DENIED as shm_open() says;
  // ALREADY_EXISTS for a name that is in use; RESOURCE_EXHAUSTED beyond the limits.
  Status add(const Region& region);

  // What is on its way to or from the region is finished. An unknown name is nothing to remove.
  void remove(const std::string& name);
  void remove_all();

  // Those registered; with a name, that one, or NOT_FOUND.
  Result<std::vector<Region>> list(const std::string& name) const;

  // NOT_FOUND without a region of this name; INVALID_ARGUMENT when the place is not within it.
  Result<Part> find(const TensorPlace& place) const;

 private:
  class File;
  struct Entry {
    Region region;
    std::shared_ptr<const File> file;
  };
  Status check_room(const Region& region) const;  // by mutex_

  const SharedMemoryOptions options_;
  // Of what SharedBytes hold; they may outlive this.
  const std::shared_ptr<std::atomic<int64_t>> bytes_read_ =
      std::make_shared<std::atomic<int64_t>>(0);
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by mutex_
};

class SharedMemory::Part {
 public:
  // DATA_LOSS when the object is shorter by now; RESOURCE_EXHAUSTED when inputs on their way hold
  // too much already.
  Result<SharedBytes> read() const;

  // At the beginning of the part. INVALID_ARGUMENT when it is too small, DATA_LOSS as above.
  Status write(std::span<const std::byte> bytes) const;

  const TensorPlace& place() const { return place_; }

 private:
  friend class SharedMemory;
  Part(const SharedMemory& memory, const Entry& entry, TensorPlace place);

  TensorPlace place_;
  std::shared_ptr<const File> file_;
  uint64_t start_ = 0;  // in the object
  int64_t max_bytes_read_ = 0;
  std::shared_ptr<std::atomic<int64_t>> bytes_read_;
};

}  // namespace inferd::serve
