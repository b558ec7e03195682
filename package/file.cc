// SPDX-License-Identifier: Apache-2.0
#include "package/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace inferd::package {
namespace {

Status failed(const char* verb, const std::string& path, int error) {
  const std::string message =
      std::string("cannot ") + verb + " '" + path + "': " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return not_found(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return permission_denied(message);
    case EEXIST:
      return already_exists(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return resource_exhausted(message);
    default:
      return unavailable(message);
  }
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<InputFile> InputFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hang who looks whether it is a file.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) return failed("open", path, errno);
  if (!S_ISREG(info.st_mode)) return invalid_argument("'" + path + "' is not a regular file");
  return InputFile(std::move(fd), path, info.st_size, info.st_mode);
}

Result<size_t> InputFile::read(std::span<std::byte> buffer) const {
  while (true) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size >= 0) return static_cast<size_t>(size);
    if (errno != EINTR) return failed("read", path_, errno);
  }
}

Result<Mapping> Mapping::of(const InputFile& file) {
  if (file.bytes() == 0) return Mapping();
  if (!std::in_range<ptrdiff_t>(file.bytes())) return failed("map", file.path(), EFBIG);
  const auto size = static_cast<size_t>(file.bytes());
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (address == MAP_FAILED) return failed("map", file.path(), errno);
  return Mapping({static_cast<const std::byte*>(address), size});
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<std::string> read_text(const InputFile& file, int64_t max_bytes) {
  // One byte more than it may have, so that a file that grew is found as well.
  std::string text(static_cast<size_t>(std::min(file.bytes(), max_bytes)) + 1, '\0');
  size_t used = 0;
  while (used < text.size()) {
    INFERD_ASSIGN_OR_RETURN(const size_t size,
                            file.read(std::as_writable_bytes(std::span(text).subspan(used))));
    if (size == 0) {
      text.resize(used);
      return text;
    }
    used += size;
  }
  return resource_exhausted("'" + file.path() + "' has more than " +
                            std::to_string(text.size() - 1) + " bytes");
}

Result<OutputFile> OutputFile::create(const std::string& path, mode_t mode) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (fd.get() < 0) return failed("create", path, errno);
  return OutputFile(std::move(fd), path);
}

OutputFile::~OutputFile() {
  if (fd_.get() >= 0) ::unlink(path_.c_str());
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd_.get(), bytes.data(), bytes.size());
    if (size >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(size));
    } else if (errno != EINTR) {
      return failed("write", path_, errno);
    }
  }
  return ok_status();
}

Status OutputFile::finish() {
  if (::fsync(fd_.get()) != 0) return failed("write", path_, errno);
  fd_ = FileDescriptor();
  return ok_status();
}

}  // namespace inferd::package
