// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/durable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace inferd::models {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0)
      : file_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }
  int release() { return std::exchange(file_, -1); }

 private:
  int file_;
};

Status write_all(int file, std::span<const std::byte> bytes, const std::string& path,
                 int64_t& written) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path);
    written += n;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return ok_status();
}

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

}  // namespace

Status system_error(std::string_view what, const std::string& path) {
  const int error = errno;
  std::string message =
      "cannot " + std::string(what) + " '" + path + "': " + ::strerrordesc_np(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return resource_exhausted(std::move(message));
    case EROFS:
    case EACCES:
    case EPERM:
      return failed_precondition(std::move(message));
    case ENOENT:
      return not_found(std::move(message));
    case EEXIST:
    case ENOTEMPTY:
      return already_exists(std::move(message));
    default:
      return unavailable(std::move(message));
  }
}

Status make_folders(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ok_status();
  const std::string above = folder_of(path);
  if (above != path) INFERD_RETURN_IF_ERROR(make_folders(above));
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return system_error("make the folder", path);
  return sync_folder(above);
}

Status sync_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0) return system_error("open", path);
  return ::fsync(folder.get()) == 0 ? ok_status() : system_error("sync", path);
}

Status rename_durably(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0)
    return system_error("make", to);
  INFERD_RETURN_IF_ERROR(sync_folder(folder_of(to)));
  return sync_folder(folder_of(from));
}

Status write_durably(const std::string& path, std::string_view content, mode_t mode) {
  const std::string beside = path + ".new";
  {
    const Descriptor file(beside, O_WRONLY | O_CREAT | O_TRUNC, mode & kUsualMode);
    if (file.get() < 0) return system_error("make", beside);
    if (mode != kUsualMode && ::fchmod(file.get(), mode) != 0)
      return system_error("set the mode of", beside);
    int64_t written = 0;
    INFERD_RETURN_IF_ERROR(
        write_all(file.get(), std::as_bytes(std::span(content)), beside, written));
    if (::fsync(file.get()) != 0) return system_error("sync", beside);
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return system_error("make", path);
  return sync_folder(folder_of(path));
}

Status sync_tree(const std::string& folder) {
  std::error_code error;
  // Unlike a range-based loop, increment() does not throw.
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path();
    std::error_code unknown;
    if (it->is_directory(unknown)) {
      INFERD_RETURN_IF_ERROR(sync_tree(path));
      continue;
    }
    const Descriptor file(path, O_RDONLY);
    if (file.get() < 0) return system_error("open", path);
    if (::fsync(file.get()) != 0) return system_error("sync", path);
  }
  if (error) return unavailable("cannot read the folder '" + folder + "': " + error.message());
  return sync_folder(folder);
}

Status remove_tree(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) return unavailable("cannot remove '" + folder + "': " + error.message());
  return ok_status();
}

AppendedFile::~AppendedFile() {
  if (file_ >= 0) ::close(file_);
}

AppendedFile::AppendedFile(AppendedFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      size_(std::exchange(other.size_, 0)) {}

AppendedFile& AppendedFile::operator=(AppendedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  return *this;
}

Result<AppendedFile> AppendedFile::open(const std::string& path) {
  std::error_code error;
  const bool is_new = !fs::exists(path, error);
  Descriptor file(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file.get() < 0) return system_error("open", path);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_error("look at", path);
  if (is_new) INFERD_RETURN_IF_ERROR(sync_folder(folder_of(path)));
  AppendedFile opened;
  opened.path_ = path;
  opened.file_ = file.release();
  opened.size_ = about.st_size;
  return opened;
}

Status AppendedFile::append(std::span<const std::byte> bytes) {
  return write_all(file_, bytes, path_, size_);
}

Status AppendedFile::truncate(int64_t size) {
  if (::ftruncate(file_, size) != 0) return system_error("shorten", path_);
  size_ = size;
  return ok_status();
}

Status AppendedFile::sync() {
  return ::fsync(file_) == 0 ? ok_status() : system_error("sync", path_);
}

}  // namespace inferd::models
