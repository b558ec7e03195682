// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace inferd::serve {

// An open object.
class SharedMemory::File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Of the object now; 0: it is no ordinary one.
  uint64_t size() const {
    struct stat info {};
    const bool ordinary = ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
    return ordinary ? static_cast<uint64_t>(info.st_size) : 0;
  }

  // All of `bytes`, or false.
  bool read(uint64_t offset, std::span<std::byte> bytes) const {
    return transfer(offset, bytes, ::pread);
  }
  bool write(uint64_t offset, std::span<const std::byte> bytes) const {
    // Writing behind the end would make the object longer.
    return size() >= offset + bytes.size() && transfer(offset, bytes, ::pwrite);
  }

 private:
  template <typename Bytes, typename Call>
  bool transfer(uint64_t offset, Bytes bytes, Call call) const {
    while (!bytes.empty()) {
      const ssize_t done = call(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      bytes = bytes.subspan(static_cast<size_t>(done));
      offset += static_cast<uint64_t>(done);
    }
    return true;
  }

  const int fd_;
};

namespace {

constexpr size_t kMaxRegions = 256;  // each has a descriptor
constexpr size_t kMaxName = 255;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();

// Whether [offset, offset + size) is within [0, whole).
bool is_within(uint64_t offset, uint64_t size, uint64_t whole) {
  return offset <= whole && size <= whole - offset;
}

std::string range(uint64_t offset, uint64_t size) {
  return std::to_string(size) + " bytes from " + std::to_string(offset) + " on";
}

// One name in the folder of shared memory: nothing that leads elsewhere.
Status check_key(const std::string& key) {
  const std::string_view name = std::string_view(key).substr(key.starts_with('/') ? 1 : 0);
  const bool is_name = !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
                       name.find('/') == std::string_view::npos &&
                       name.find('\0') == std::string_view::npos;
  if (is_name) return ok_status();
  return invalid_argument("'" + key +
                          "' is no key of shared memory: one name, with or without a '/' before");
}

Status open_error(const std::string& key) {
  const int error = errno;
  const std::string message = "cannot open shared memory '" + key + "': " + std::strerror(error);
  if (error == ENOENT) return not_found(message);
  if (error == EACCES) return permission_denied(message);
  return error == EMFILE || error == ENFILE ? resource_exhausted(message)
                                            : invalid_argument(message);
}

// Bytes that are counted while they are here.
struct Held {
  Held(std::shared_ptr<std::atomic<int64_t>> counter, int64_t size)
      : count(std::move(counter)), counted(size) {
    *count += counted;
  }
  ~Held() { *count -= counted; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  const std::shared_ptr<std::atomic<int64_t>> count;
  const int64_t counted;
  std::vector<std::byte> bytes;
};

Status is_gone(const TensorPlace& place) {
  return data_loss("shared memory region '" + place.region + "' is shorter than when it was " +
                   "registered: its " + range(place.offset, place.byte_size) + " are not there");
}

}  // namespace

Status SharedMemory::add(const Region& region) {
  if (!options_.enabled) {
    return failed_precondition(
        "system shared memory is turned off; 'system_shared_memory: true' under 'server' in the "
        "daemon's configuration turns it on");
  }
  if (region.name.empty() || region.name.size() > kMaxName) {
    return invalid_argument("a shared memory region needs a name of at most " +
                            std::to_string(kMaxName) + " bytes");
  }
  const std::string title = "shared memory region '" + region.name + "'";
  INFERD_RETURN_IF_ERROR(check_key(region.key).with_context(title));
  const int fd = ::shm_open(region.key.c_str(), O_RDWR, 0);
  if (fd < 0) return open_error(region.key).with_context(title);
  auto file = std::make_shared<const File>(fd);
  const uint64_t size = std::min(file->size(), kMaxSize);
  if (region.byte_size == 0 || !is_within(region.offset, region.byte_size, size)) {
    return invalid_argument(title + " would be " + range(region.offset, region.byte_size) +
                            " of '" + region.key + "', which has " + std::to_string(size) +
                            " bytes");
  }
  const std::lock_guard lock(mutex_);
  INFERD_RETURN_IF_ERROR(check_room(region));
  entries_.emplace(region.name, Entry{region, std::move(file)});
  return ok_status();
}

Status SharedMemory::check_room(const Region& region) const {
  if (entries_.contains(region.name)) {
    // Clients look for these words.
    return already_exists("shared memory region '" + region.name + "' already in manager");
  }
  if (entries_.size() >= kMaxRegions) {
    return resource_exhausted("there are " + std::to_string(kMaxRegions) +
                              " shared memory regions already");
  }
  uint64_t used = 0;
  for (const auto& [name, entry] : entries_) used += entry.region.byte_size;
  const auto most = static_cast<uint64_t>(options_.max_bytes);
  if (is_within(used, region.byte_size, most)) return ok_status();
  return resource_exhausted("shared memory region '" + region.name + "' has " +
                            std::to_string(region.byte_size) + " bytes; of " +
                            std::to_string(most) + " allowed, others have " + std::to_string(used));
}

void SharedMemory::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  entries_.erase(name);
}

void SharedMemory::remove_all() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

Result<std::vector<SharedMemory::Region>> SharedMemory::list(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  std::vector<Region> regions;
  for (const auto& [key, entry] : entries_) {
    if (name.empty() || key == name) regions.push_back(entry.region);
  }
  if (name.empty() || !regions.empty()) return regions;
  return not_found("there is no shared memory region '" + name + "'");
}

Result<SharedMemory::Part> SharedMemory::find(const TensorPlace& place) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(place.region);
  if (found == entries_.end()) {
    return not_found("there is no shared memory region '" + place.region + "'");
  }
  const uint64_t whole = found->second.region.byte_size;
  if (place.byte_size == 0 || !is_within(place.offset, place.byte_size, whole)) {
    return invalid_argument(range(place.offset, place.byte_size) +
                            " are not within shared memory region '" + place.region +
                            "', which has " + std::to_string(whole) + " bytes");
  }
  return Part(*this, found->second, place);
}

SharedMemory::Part::Part(const SharedMemory& memory, const Entry& entry, TensorPlace place)
    : place_(std::move(place)),
      file_(entry.file),
      start_(entry.region.offset + place_.offset),
      max_bytes_read_(memory.options_.max_bytes),
      bytes_read_(memory.bytes_read_) {}

Result<SharedBytes> SharedMemory::Part::read() const {
  // First counted, then allocated; the count goes with the bytes.
  const auto held = std::make_shared<Held>(bytes_read_, static_cast<int64_t>(place_.byte_size));
  if (*bytes_read_ > max_bytes_read_) {
    return resource_exhausted("inputs in shared memory that wait or run would hold more than " +
                              std::to_string(max_bytes_read_) + " bytes");
  }
  held->bytes.resize(place_.byte_size);
  if (!file_->read(start_, held->bytes)) return is_gone(place_);
  return SharedBytes(held, &held->bytes);
}

Status SharedMemory::Part::write(std::span<const std::byte> bytes) const {
  if (bytes.size() > place_.byte_size) {
    return invalid_argument("shared memory size specified with the request (" +
                            std::to_string(place_.byte_size) + " bytes) should be at least " +
                            std::to_string(bytes.size()) + " bytes to hold the results");
  }
  return file_->write(start_, bytes) ? ok_status() : is_gone(place_);
}

}  // namespace inferd::serve
