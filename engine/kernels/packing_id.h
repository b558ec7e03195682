// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace inferd::kernels {

// Names how kernels of this build pack weights and which of them the planner would take: a hash of
// their sources, 16 hexadecimal digits. Packed weights of another build with the same id mean the
// same.
std::string_view packing_id();

}  // namespace inferd::kernels
