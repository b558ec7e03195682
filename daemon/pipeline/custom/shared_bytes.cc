// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/shared_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace inferd::pipeline {

Result<std::unique_ptr<SharedBytes>> SharedBytes::create(size_t size) {
  const auto refusal = [&] {
    return resource_exhausted("no memory of " + std::to_string(size) +
                              " bytes to share: " + std::strerror(errno));
  };
  const int fd = ::memfd_create("inferd-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return refusal();
  std::unique_ptr<SharedBytes> shared(new SharedBytes(fd, size));
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return refusal();
  }
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return refusal();
  shared->data_ = static_cast<std::byte*>(at);
  return shared;
}

SharedBytes::~SharedBytes() {
  if (data_ != nullptr) ::munmap(data_, size_);
  ::close(fd_);
}

}  // namespace inferd::pipeline
