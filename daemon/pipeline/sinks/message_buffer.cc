// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/message_buffer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <vector>

namespace inferd::pipeline {
namespace {

constexpr size_t kHeader = 12;
constexpr size_t kDigits = 16;
constexpr const char* kSuffix = ".messages";

uint32_t checksum(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

uint32_t word(std::string_view record, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}

void put_word(uint32_t value, std::string& record, size_t at) {
  std::memcpy(record.data() + at, &value, sizeof value);
}

std::string reason() { return std::strerror(errno); }

}  // namespace

MessageBuffer::MessageBuffer(std::string folder, size_t max_bytes)
    : folder_(std::move(folder)),
      max_bytes_(max_bytes),
      block_bytes_(std::max<size_t>(max_bytes / 16, 1)) {}

MessageBuffer::~MessageBuffer() {
  for (const Block& block : blocks_) {
    if (block.fd >= 0) ::close(block.fd);
  }
  if (first_fd_ >= 0) ::close(first_fd_);
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

std::string MessageBuffer::path_of(uint64_t file) const {
  std::array<char, 24> name;
  std::snprintf(name.data(), name.size(), "%016llx", static_cast<unsigned long long>(file));
  return folder_ + "/" + name.data() + kSuffix;
}

// Takes the folder, where that is wanted, has not happened yet and is possible.
void MessageBuffer::attach() {
  if (folder_.empty() || lock_fd_ >= 0) return;
  ::mkdir(folder_.c_str(), 0700);  // if it fails, so does what follows
  const int lock = ::open((folder_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    trouble_ = "cannot use '" + folder_ + "': " + reason();
    return;
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    trouble_ = "'" + folder_ + "' is in use by another sink; give each its own folder";
    ::close(lock);
    return;
  }
  lock_fd_ = lock;
  const Status loaded = load();
  trouble_ = loaded.ok() ? "" : loaded.message();
  if (loaded.ok()) return;
  ::close(lock_fd_);
  lock_fd_ = -1;
}

// What an earlier buffer left, before what came meanwhile.
Status MessageBuffer::load() {
  const int first_fd = ::open((folder_ + "/first").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (first_fd < 0) return unavailable("cannot use '" + folder_ + "': " + reason());
  std::array<uint64_t, 2> first{};
  if (::pread(first_fd, first.data(), sizeof first, 0) != sizeof first) first = {};
  first_fd_ = first_fd;
  std::vector<uint64_t> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.size() != kDigits + std::strlen(kSuffix) || !name.ends_with(kSuffix)) continue;
    uint64_t file = 0;
    if (std::from_chars(name.data(), name.data() + kDigits, file, 16).ptr == name.data() + kDigits)
      files.push_back(file);
  }
  std::sort(files.begin(), files.end(), std::greater<>());
  for (const uint64_t file : files) {
    next_file_ = std::max(next_file_, file + 1);
    if (file < first[0]) {
      ::unlink(path_of(file).c_str());
    } else {
      load_block(file, file == first[0] ? static_cast<size_t>(first[1]) : 0);
    }
  }
  return ok_status();
}

void MessageBuffer::load_block(uint64_t file, size_t first) {
  Block block{next_key_++, file};
  block.fd = ::open(path_of(file).c_str(), O_RDWR | O_CLOEXEC);
  struct stat found;
  if (block.fd < 0) return;
  if (::fstat(block.fd, &found) != 0) found.st_size = 0;
  block.size = static_cast<size_t>(found.st_size);
  size_t at = block.first = block.next = std::min(first, block.size);
  while (read(block, at, record_)) {
    at += record_.size();
    ++block.count;
  }
  if (at < block.size) ++dropped_;  // at least the one that cannot be read
  block.size = at;
  const auto loaded = blocks_.insert(blocks_.begin(), std::move(block));
  if (loaded->count == 0) forget(loaded);
}

// The whole record at `at`; false where there is none, or a damaged one.
bool MessageBuffer::read(const Block& block, size_t at, std::string& record) const {
  const auto get = [&](size_t from, size_t bytes) {
    if (block.size - from < bytes) return false;
    const size_t have = record.size();
    record.resize(have + bytes);
    if (block.fd < 0) {
      block.bytes.copy(record.data() + have, bytes, from);
      return true;
    }
    const ssize_t n = ::pread(block.fd, record.data() + have, bytes, static_cast<off_t>(from));
    return n == static_cast<ssize_t>(bytes);
  };
  record.clear();
  if (!get(at, kHeader)) return false;
  const size_t body = size_t{word(record, 4)} + word(record, 8);
  return get(at + kHeader, body) && checksum(std::string_view(record).substr(4)) == word(record, 0);
}

// A file where that is possible.
void MessageBuffer::add_block() {
  Block block{next_key_++, 0};
  if (lock_fd_ >= 0) {
    block.file = next_file_++;
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    block.fd = ::open(path_of(block.file).c_str(), flags, 0600);
    trouble_ = block.fd < 0 ? "cannot write to '" + folder_ + "': " + reason() : "";
  }
  blocks_.push_back(std::move(block));
}

// Whether it may grow by so much. What is in memory for want of a disk is in small blocks, so that
// the disk is soon tried again.
bool MessageBuffer::fits(const Block& block, size_t bytes) const {
  const bool small = block.fd < 0 && !folder_.empty();
  const size_t most = small ? std::min(block_bytes_, kMemoryBytes / 16) : block_bytes_;
  return block.size == 0 || block.size + bytes <= most;
}

bool MessageBuffer::write(Block& block, std::string_view record) {
  for (size_t done = 0; block.fd >= 0 && done < record.size();) {
    const ssize_t n = ::pwrite(block.fd, record.data() + done, record.size() - done,
                               static_cast<off_t>(block.size + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      trouble_ = "cannot write to '" + folder_ + "': " + reason();
      return false;  // what is beyond its size is found to be damaged
    }
    done += static_cast<size_t>(n);
  }
  if (block.fd < 0) block.bytes += record;
  block.size += record.size();
  ++block.count;
  return true;
}

// Where the first block that is a file begins; what was done before stays done.
void MessageBuffer::remember_first() {
  const auto block =
      std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.fd >= 0; });
  if (first_fd_ < 0) return;
  const bool none = block == blocks_.end();
  const std::array<uint64_t, 2> first = {none ? next_file_ : block->file, none ? 0 : block->first};
  // If this fails, a message is sent twice after a restart.
  if (::pwrite(first_fd_, first.data(), sizeof first, 0) < 0) trouble_ = reason();
}

// Removes it with its file.
void MessageBuffer::forget(std::list<Block>::iterator block) {
  if (block->fd >= 0) {
    ::close(block->fd);
    ::unlink(path_of(block->file).c_str());
  }
  blocks_.erase(block);
}

void MessageBuffer::drop(std::list<Block>::iterator block) {
  dropped_ += block->count;
  forget(block);
  remember_first();
}

void MessageBuffer::make_room(size_t bytes) {
  const auto used = [&](bool memory_only) {
    size_t sum = 0;
    for (const Block& b : blocks_) sum += memory_only && b.fd >= 0 ? 0 : b.size;
    return sum;
  };
  while (!blocks_.empty() && used(false) + bytes > max_bytes_) drop(blocks_.begin());
  if (folder_.empty()) return;
  while (used(true) > 0 && used(true) + bytes > kMemoryBytes) {
    drop(std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.fd < 0; }));
  }
}

Status MessageBuffer::append(std::string_view topic, std::string_view payload) {
  const std::lock_guard lock(mutex_);
  const size_t bytes = kHeader + topic.size() + payload.size();
  if (bytes > max_bytes_ / 2) {
    ++dropped_;
    return resource_exhausted("a message of " + std::to_string(bytes) +
                              " bytes is larger than half of the buffer");
  }
  attach();
  record_.assign(kHeader, '\0');
  put_word(static_cast<uint32_t>(topic.size()), record_, 4);
  put_word(static_cast<uint32_t>(payload.size()), record_, 8);
  (record_ += topic) += payload;
  put_word(checksum(std::string_view(record_).substr(4)), record_, 0);
  make_room(bytes);
  if (blocks_.empty() || !fits(blocks_.back(), bytes)) add_block();
  if (write(blocks_.back(), record_)) return ok_status();
  blocks_.push_back({next_key_++});
  write(blocks_.back(), record_);
  return ok_status();
}

bool MessageBuffer::take(uint64_t& number, std::string& topic, std::string& payload) {
  const std::lock_guard lock(mutex_);
  attach();
  for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
    if (block->next >= block->size) continue;
    if (!read(*block, block->next, record_)) {
      drop(block);  // the disk is broken
      return false;
    }
    const size_t topic_bytes = word(record_, 4);
    topic.assign(record_, kHeader, topic_bytes);
    payload.assign(record_, kHeader + topic_bytes);
    block->next += record_.size();
    number = next_number_++;
    taken_.push_back({number, block->key, block->next, false});
    return true;
  }
  return false;
}

// Of the first one that was taken and is not done yet.
void MessageBuffer::finish(const Taken& taken) {
  const auto block = std::find_if(blocks_.begin(), blocks_.end(),
                                  [&](const Block& b) { return b.key == taken.block; });
  if (block == blocks_.end()) return;  // dropped
  block->first = taken.end;
  --block->count;
  const bool last = std::next(block) == blocks_.end();
  if (block->first == block->size && block->fd >= 0 && last && ::ftruncate(block->fd, 0) == 0) {
    block->size = block->first = block->next = 0;  // a file for many, most of which no disk sees
  } else if (block->first == block->size) {
    forget(block);
  }
  remember_first();
}

void MessageBuffer::done(uint64_t number) {
  const std::lock_guard lock(mutex_);
  for (Taken& taken : taken_) {
    if (taken.number == number) taken.done = true;
  }
  while (!taken_.empty() && taken_.front().done) {
    finish(taken_.front());
    taken_.pop_front();
  }
}

void MessageBuffer::take_again() {
  const std::lock_guard lock(mutex_);
  taken_.clear();
  for (Block& block : blocks_) block.next = block.first;
}

size_t MessageBuffer::queued() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Block& block : blocks_) sum += block.count;
  return sum;
}

uint64_t MessageBuffer::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

std::string MessageBuffer::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace inferd::pipeline
