// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "inferd/client/client.h"

namespace inferd {

// A channel to "unix:PATH", "HOST:PORT" (neither encrypted) or "grpcs://HOST:PORT" (TLS), with a
// connection of its own, also where the process has other clients of the same daemon.
// INVALID_ARGUMENT: options that the endpoint cannot have, or a token or a name that no header can
// carry.
// NOT_FOUND: a file of `options` cannot be read.
Result<std::shared_ptr<grpc::Channel>> make_channel(const std::string& endpoint,
                                                    const ConnectOptions& options);

}  // namespace inferd
