// SPDX-License-Identifier: Apache-2.0
//
// Answers Frigate's detector `zmq` from a pipeline.
#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/server.h"
#include "inferd/engine/status.h"

namespace inferd::serve {

// Borrows the pipelines. UNAVAILABLE: the address is taken; the message names it. The server is a
// module (daemon/host/module.h), with its errors.
Result<std::unique_ptr<Server>> start_frigate(const config::FrigateListener& listener,
                                              pipeline::Pipelines& pipelines);

// What the module has under the name frigate_server.
using StartFrigate = Result<std::unique_ptr<Server>> (*)(const config::FrigateListener& listener,
                                                         pipeline::Pipelines& pipelines);

}  // namespace inferd::serve
