// SPDX-License-Identifier: Apache-2.0
//
// Memory that a client shares with the daemon, and how much of it each user may.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "inferd/engine/status.h"

namespace inferd::serve::local {

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// What all connections of a user hold together. Thread-safe.
class UserLimits {
 public:
  UserLimits(int max_connections, int64_t max_bytes)
      : max_connections_(max_connections), max_bytes_(max_bytes) {}

  // RESOURCE_EXHAUSTED says how much the user has and may have. Whoever got OK gives back as much.
  Status add_connection(uid_t user);
  void remove_connection(uid_t user);
  Status add_bytes(uid_t user, int64_t bytes);
  void remove_bytes(uid_t user, int64_t bytes);

 private:
  struct Use {
    int connections = 0;
    int64_t bytes = 0;
  };
  void forget_if_idle(uid_t user);  // by mutex_

  const int max_connections_;
  const int64_t max_bytes_;
  std::mutex mutex_;
  std::map<uid_t, Use> users_;  // by mutex_
};

// A mapped memfd that can be neither shrunk nor grown, so that touching it never faults. Its bytes
// may change at any time; how long it is and where it lies do not. Safe to use from any thread.
class Region {
 public:
  // FAILED_PRECONDITION: not a memfd with the seals that docs/local-socket.md asks for.
  // INVALID_ARGUMENT: not of `bytes`. RESOURCE_EXHAUSTED: more whole pages than `most`, or over the
  // user's limit.
  static Result<std::shared_ptr<const Region>> map(const Descriptor& file, uint64_t bytes,
                                                   int64_t most, uid_t user,
                                                   std::shared_ptr<UserLimits> limits);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // OUT_OF_RANGE unless all of it lies within.
  Result<std::span<std::byte>> part(uint64_t offset, uint64_t bytes) const;
  bool writable() const { return writable_; }
  int64_t mapped_bytes() const { return mapped_bytes_; }  // whole pages

 private:
  Region(std::byte* data, uint64_t bytes, int64_t mapped_bytes, bool writable, uid_t user,
         std::shared_ptr<UserLimits> limits);

  std::byte* const data_;
  const uint64_t bytes_;
  const int64_t mapped_bytes_;
  const bool writable_;
  const uid_t user_;
  const std::shared_ptr<UserLimits> limits_;
};

}  // namespace inferd::serve::local
