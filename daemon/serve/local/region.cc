// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/local/region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace inferd::serve::local {
namespace {

constexpr int kNeededSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr uint64_t kMaxBytes = uint64_t{1} << 46;  // far above any limit, far below overflow

int64_t whole_pages(uint64_t bytes) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return static_cast<int64_t>((bytes + page - 1) / page * page);
}

// The seals of a file whose memory cannot be taken away.
Result<int> check_file(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kNeededSeals) != kNeededSeals) {
    return failed_precondition(
        "a buffer must be a memfd with the seals F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL; copy "
        "what lies elsewhere into one");
  }
  // Huge pages come from a pool that may be empty when a hole is filled again.
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return failed_precondition("a buffer must be a memfd of normal pages, without MFD_HUGETLB");
  }
  return seals;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Status UserLimits::add_connection(uid_t user) {
  const std::lock_guard lock(mutex_);
  Use& use = users_[user];
  if (use.connections >= max_connections_) {
    return resource_exhausted("user " + std::to_string(user) + " has " +
                              std::to_string(use.connections) +
                              " connections and may not have more (max_user_connections)");
  }
  ++use.connections;
  return ok_status();
}

void UserLimits::remove_connection(uid_t user) {
  const std::lock_guard lock(mutex_);
  --users_[user].connections;
  forget_if_idle(user);
}

Status UserLimits::add_bytes(uid_t user, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  Use& use = users_[user];
  if (bytes > max_bytes_ - use.bytes) {
    const Status refused =
        resource_exhausted("user " + std::to_string(user) + " has buffers of " +
                           std::to_string(use.bytes) + " bytes, " + std::to_string(bytes) +
                           " more are above " + std::to_string(max_bytes_) + " (max_user_bytes)");
    forget_if_idle(user);
    return refused;
  }
  use.bytes += bytes;
  return ok_status();
}

void UserLimits::remove_bytes(uid_t user, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  users_[user].bytes -= bytes;
  forget_if_idle(user);
}

void UserLimits::forget_if_idle(uid_t user) {
  const auto at = users_.find(user);
  if (at != users_.end() && at->second.connections == 0 && at->second.bytes == 0) users_.erase(at);
}

Result<std::shared_ptr<const Region>> Region::map(const Descriptor& file, uint64_t bytes,
                                                  int64_t most, uid_t user,
                                                  std::shared_ptr<UserLimits> limits) {
  INFERD_ASSIGN_OR_RETURN(const int seals, check_file(file.get()));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || info.st_size <= 0 ||
      static_cast<uint64_t>(info.st_size) != bytes || bytes > kMaxBytes) {
    return invalid_argument("the buffer's file has " + std::to_string(info.st_size) +
                            " bytes, not the " + std::to_string(bytes) + " of the request");
  }
  if (!std::in_range<ptrdiff_t>(bytes)) {
    return resource_exhausted("the buffer has " + std::to_string(bytes) +
                              " bytes, more than this machine can address");
  }
  const int64_t mapped = whole_pages(bytes);
  if (mapped > most) {
    return resource_exhausted("the connection may map " + std::to_string(most) +
                              " bytes more, the buffer has " + std::to_string(mapped) +
                              " (max_buffer_bytes)");
  }
  INFERD_RETURN_IF_ERROR(limits->add_bytes(user, mapped));
  // A file that is sealed against writing cannot be mapped shared; a private mapping that nobody
  // writes to shows the same pages.
  const bool writable = (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0;
  void* const data = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                            writable ? MAP_SHARED : MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    limits->remove_bytes(user, mapped);
    return failed_precondition(std::string("the buffer cannot be mapped: ") + std::strerror(error) +
                               "; was its descriptor opened for reading and writing?");
  }
  return std::shared_ptr<const Region>(
      new Region(static_cast<std::byte*>(data), bytes, mapped, writable, user, std::move(limits)));
}

Region::Region(std::byte* data, uint64_t bytes, int64_t mapped_bytes, bool writable, uid_t user,
               std::shared_ptr<UserLimits> limits)
    : data_(data),
      bytes_(bytes),
      mapped_bytes_(mapped_bytes),
      writable_(writable),
      user_(user),
      limits_(std::move(limits)) {}

Region::~Region() {
  ::munmap(data_, bytes_);
  limits_->remove_bytes(user_, mapped_bytes_);
}

Result<std::span<std::byte>> Region::part(uint64_t offset, uint64_t bytes) const {
  if (offset > bytes_ || bytes > bytes_ - offset) {
    return out_of_range(std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                        " are outside of a buffer of " + std::to_string(bytes_));
  }
  return std::span(data_ + offset, bytes);
}

}  // namespace inferd::serve::local
