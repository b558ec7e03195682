// SPDX-License-Identifier: Apache-2.0
#include "engine/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/base/checked.h"

namespace inferd {
namespace {

// A page fault maps the file's pages around it too: a window of 64 KiB, and newer kernels the whole
// block (up to a huge page) in which the page cache has it. So reading brings more than what was
// read.
constexpr uintptr_t kFaultWindow = uintptr_t{2} << 20;

Status errno_status(const std::string& path, int error) {
  const std::string message = "cannot open '" + path + "': " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return not_found(message);
  if (error == EACCES || error == EPERM) return permission_denied(message);
  return unavailable(message);
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path,
                                                           int64_t max_bytes) {
  // O_NONBLOCK: a FIFO in a model folder must not hang the daemon.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno_status(path, errno);
  struct FdCloser {
    int fd;
    ~FdCloser() { ::close(fd); }
  } closer{fd};

  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_status(path, errno);
  if (!S_ISREG(info.st_mode)) return invalid_argument("'" + path + "' is not a regular file");
  if (info.st_size == 0) return invalid_argument("'" + path + "' is empty");
  if (info.st_size > max_bytes) {
    return resource_exhausted("'" + path + "' has " + std::to_string(info.st_size) +
                              " bytes, more than the limit of " + std::to_string(max_bytes));
  }
  if (!addressable(info.st_size)) {
    return resource_exhausted("'" + path + "' has " + std::to_string(info.st_size) +
                              " bytes, more than this machine can address");
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) return errno_status(path, errno);
#ifdef MADV_NOHUGEPAGE
  ::madvise(address, size, MADV_NOHUGEPAGE);  // else 2 MiB may become resident for a byte
#endif
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(address), size}));
}

void MappedFile::forget(std::span<const std::byte> part) const {
  if (part.empty()) return;
  const auto first = reinterpret_cast<uintptr_t>(bytes_.data());
  const uintptr_t begin =
      std::max(reinterpret_cast<uintptr_t>(part.data()) / kFaultWindow * kFaultWindow, first);
  const uintptr_t end = std::min(
      (reinterpret_cast<uintptr_t>(part.data() + part.size()) / kFaultWindow + 1) * kFaultWindow,
      first + bytes_.size());
  // A private mapping that nobody writes: pages that go are those of the file.
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  // const_cast: munmap takes void*, the mapping itself is read-only.
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace inferd
