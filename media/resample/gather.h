// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "media/resample/mapping.h"
#include "media/resample/rows.h"

namespace inferd::media {

// The tables of the components of one plane, along the picture's rows. `row_bytes` of them are
// read at most.
Gather make_gather(const Axis& across, std::span<const Component> components, int row_bytes);

}  // namespace inferd::media
