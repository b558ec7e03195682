// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inferd/engine/status.h"

namespace inferd::host {

// Lets the process open as many files as it may at most: the soft limit becomes the hard one.
// Systems begin with 1024, for programs that use select(), which has no larger numbers; here
// connections are bounded by the listeners' settings. UNAVAILABLE: the system does not let it.
Status raise_descriptor_limit();

}  // namespace inferd::host
