// SPDX-License-Identifier: Apache-2.0
//
// --input NAME=FILE options: .npy files as they are, pictures through the model's preprocessing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inferd/engine/engine.h"
#include "media/npy.h"

namespace inferd::ctl {

// One array per model input, in the model's order. `options` are "NAME=FILE", or "FILE" for a model
// with one input. Pictures need `preprocess` (see media/preprocess.h) unless the input has 8 bits.
Result<std::vector<media::Array>> read_inputs(std::span<const TensorInfo> infos,
                                              const std::vector<std::string>& options,
                                              const std::string& preprocess);

// Writes DIR/NAME.npy; characters outside [A-Za-z0-9._-] in the name become '_'. Creates the
// folder.
Status write_output(const std::string& folder, const std::string& name, const TensorView& tensor);

}  // namespace inferd::ctl
