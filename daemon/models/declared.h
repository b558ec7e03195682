// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "inferd/engine/engine.h"

namespace inferd::models {

// Whether a model is what its configuration says: every tensor that is declared exists, has that
// type, and takes that shape; and all inputs are declared, or none. INVALID_ARGUMENT says where the
// configuration is wrong, and what the model has.
Status check_declared(const config::DeclaredModel& declared, const ModelInfo& model);

}  // namespace inferd::models
