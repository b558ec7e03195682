// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/steady_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace inferd::models {
namespace {

using std::chrono::nanoseconds;

Status being_written(const std::string& path) {
  return unavailable("'" + path + "' is being written; load the model again when it is complete");
}

nanoseconds time_of(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

// How long ago it was last written to; 0 for a time to come.
nanoseconds age_of(const struct stat& about) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::max(time_of(now) - time_of(about.st_mtim), nanoseconds(0));
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         time_of(a.st_mtim) == time_of(b.st_mtim);
}

// Holds whoever wants to write until the file is closed, at most /proc/sys/fs/lease-break-time.
// False where that is not ours to ask, or the file system does not know it.
Result<bool> hold_writers(int file, const std::string& path) {
  if (::fcntl(file, F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(file, F_SETOWN, 0);  // no signal when somebody waits
    return true;
  }
  if (errno == EAGAIN) return being_written(path);
  return false;
}

}  // namespace

Result<SteadyFile> SteadyFile::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about {};
  if (descriptor < 0 || ::fstat(descriptor, &about) != 0)
    return not_found("cannot open '" + path + "'");
  SteadyFile file(path, descriptor, about);
  INFERD_ASSIGN_OR_RETURN(const bool held, hold_writers(descriptor, path));
  constexpr nanoseconds kQuiet = std::chrono::seconds(1);
  if (!held && age_of(about) < kQuiet) std::this_thread::sleep_for(kQuiet - age_of(about));
  // What was written until then is in what is known of it.
  INFERD_RETURN_IF_ERROR(held ? ok_status() : file.check_unchanged());
  return file;
}

Status FileMark::check_not_overwritten() const {
  struct stat now {};
  if (::stat(path_.c_str(), &now) != 0) return ok_status();
  if (now.st_dev != about_.st_dev || now.st_ino != about_.st_ino || is_same(now, about_))
    return ok_status();
  return failed_precondition("'" + path_ +
                             "' was written to since it was loaded; load the model again");
}

SteadyFile::~SteadyFile() {
  if (file_ >= 0) ::close(file_);
}

SteadyFile::SteadyFile(SteadyFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), about_(other.about_) {}

Status SteadyFile::check_unchanged() const {
  struct stat now {};
  if (::stat(path_.c_str(), &now) != 0 || !is_same(now, about_)) return being_written(path_);
  return ok_status();
}

}  // namespace inferd::models
