// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inferd/engine/status.h"

namespace inferd::ctl {

// FAILED_PRECONDITION: TERM names no terminal on which things can be put into their places.
Status check_terminal();

}  // namespace inferd::ctl
