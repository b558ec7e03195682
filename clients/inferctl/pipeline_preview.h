// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "clients/inferctl/command.h"

namespace inferd::ctl {

struct PreviewOptions {
  std::string pipeline;
  std::string graphics = "auto";  // or "kitty", "sixel", "blocks"
  double max_fps = 5;
  uint64_t count = 0;  // frames; 0: until it is ended
};

// Draws frames of a pipeline, with what was found in them, in the terminal until `q`.
// FAILED_PRECONDITION: there is no terminal, or the pipeline's frames are no pictures.
Status preview(const Globals& globals, const PreviewOptions& options);

}  // namespace inferd::ctl
