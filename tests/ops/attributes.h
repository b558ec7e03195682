// SPDX-License-Identifier: Apache-2.0
//
// Attributes by the names that engine/base/op.h gives to their members.
#pragma once

#include <string>

#include "engine/base/op.h"
#include "inferd/engine/status.h"

namespace inferd::ops {

// Sets the member `name`, also where it lies in an inner struct (stride_h of window, min of
// activation). Lists are separated by commas, enumerators spelled as printed by messages
// ("leaky_relu").
Status set_attribute(OpAttrs* attrs, const std::string& name, const std::string& value);

}  // namespace inferd::ops
