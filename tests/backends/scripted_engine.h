// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "inferd/engine/engine.h"

namespace inferd {

// The engine, which also loads files that end in .test: scripted_model.h.
Result<std::shared_ptr<Engine>> make_scripted_engine(const EngineOptions& options);

}  // namespace inferd
