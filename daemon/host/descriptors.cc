// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/descriptors.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace inferd::host {

Status raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return ok_status();
  }
  return unavailable(std::string("cannot raise the limit of open files: ") + std::strerror(errno));
}

}  // namespace inferd::host
