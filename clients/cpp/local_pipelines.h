// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "inferd/client/client.h"

namespace inferd {

// What Client::watch() and Client::pusher() are over the local socket at `path`; each has a
// connection of its own.
Status watch_local(const std::string& path, const std::string& pipeline,
                   const std::function<bool(const WatchedFrame&)>& on_frame);
Result<std::unique_ptr<FramePusher>> push_local(const std::string& path, const std::string& source);

// A result as JSON (docs/pipelines.md). DATA_LOSS: it is something else.
Result<WatchedFrame> read_result(std::string_view json);

}  // namespace inferd
