// SPDX-License-Identifier: Apache-2.0
//
// The file of a Unix socket that a server is about to make.
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::serve {

// Makes way for a socket at `path`: a daemon that was killed leaves its socket behind, which is
// removed; one that runs keeps it. FAILED_PRECONDITION when something else lies there, UNAVAILABLE
// when somebody serves on it, PERMISSION_DENIED when it cannot be removed.
Status clear_socket_file(const std::string& path);

}  // namespace inferd::serve
