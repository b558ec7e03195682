// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace inferd::host {

// Runs `work` on a thread of low priority, which computes where nobody else wants to, and waits for
// its end. Threads that it makes have that priority, too, for good.
void run_quietly(const std::function<void()>& work);

}  // namespace inferd::host
