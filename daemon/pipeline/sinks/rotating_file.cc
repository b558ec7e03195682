// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

namespace inferd::pipeline {

RotatingFile::RotatingFile(std::string path, int64_t max_bytes, int keep, std::string header)
    : path_(std::move(path)), max_bytes_(max_bytes), keep_(keep), header_(std::move(header)) {}

RotatingFile::~RotatingFile() { close(); }

std::unique_ptr<RotatingFile> RotatingFile::from(config::NodeReader& reader,
                                                 const std::string& fallback_path,
                                                 const std::string& header) {
  const std::string path =
      fallback_path.empty() ? reader.required_text("path") : reader.text("path", fallback_path);
  const int64_t max_bytes = reader.integer("max_bytes", 0, 0, std::numeric_limits<int64_t>::max());
  const auto keep = static_cast<int>(reader.integer("keep", 3, 1, 1000));
  return std::make_unique<RotatingFile>(path, max_bytes, keep, header);
}

void RotatingFile::close() {
  if (fd_ >= 0 && fd_ != STDOUT_FILENO) ::close(fd_);
  fd_ = -1;
}

// Whether the path leads elsewhere by now.
bool RotatingFile::moved() const {
  struct stat ours, theirs;
  return ::fstat(fd_, &ours) != 0 || ::stat(path_.c_str(), &theirs) != 0 ||
         ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev;
}

Status RotatingFile::open() {
  if (path_ == "-") {
    fd_ = STDOUT_FILENO;
    return ok_status();
  }
  if (fd_ >= 0 && moved()) close();
  if (fd_ >= 0) return ok_status();
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  struct stat found;
  if (fd_ < 0 || ::fstat(fd_, &found) != 0) return unavailable(std::strerror(errno));
  size_ = found.st_size;
  return ok_status();
}

Status RotatingFile::rotate() {
  for (int i = keep_ - 1; i >= 0; --i) {
    const std::string from = i == 0 ? path_ : path_ + "." + std::to_string(i);
    const std::string to = path_ + "." + std::to_string(i + 1);
    if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return unavailable("cannot become '" + to + "': " + std::strerror(errno));
  }
  close();
  return open();
}

Status RotatingFile::put(std::string_view lines) {
  size_t done = 0;
  while (done < lines.size()) {
    const ssize_t n = ::write(fd_, lines.data() + done, lines.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      std::string why = n < 0 ? std::strerror(errno) : "nothing is taken";
      // Half a line would spoil the next one. What has gone to standard output is gone.
      const bool undone = fd_ == STDOUT_FILENO || ::ftruncate(fd_, size_) == 0;
      if (!undone) why += "; a part of a line may have stayed in it";
      close();
      return unavailable(std::move(why));
    }
    done += static_cast<size_t>(n);
  }
  size_ += static_cast<int64_t>(lines.size());
  return ok_status();
}

Status RotatingFile::try_append(std::string_view lines) {
  INFERD_RETURN_IF_ERROR(open());
  const auto bytes = static_cast<int64_t>(lines.size());
  const bool full = max_bytes_ > 0 && size_ > 0 && size_ > max_bytes_ - bytes;
  if (full && fd_ != STDOUT_FILENO) INFERD_RETURN_IF_ERROR(rotate());
  if (size_ == 0 && !header_.empty()) INFERD_RETURN_IF_ERROR(put(header_ + "\n"));
  return put(lines);
}

Status RotatingFile::append(std::string_view lines) {
  const Status done = try_append(lines);
  const std::lock_guard lock(mutex_);
  status_.state = done.ok() ? "writing" : "waiting for the disk";
  if (done.ok()) return ok_status();
  status_.dropped +=
      std::max<uint64_t>(1, static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n')));
  status_.last_error = "cannot write '" + path_ + "': " + done.message();
  return unavailable(status_.last_error);
}

SinkStatus RotatingFile::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace inferd::pipeline
