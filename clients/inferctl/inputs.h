// SPDX-License-Identifier: Apache-2.0
//
// --input NAME=FILE options: .npy files as they are, pictures through the model's preprocessing.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inferd/engine/engine.h"
#include "media/npy.h"

namespace inferd::ctl {

// One array per model input, in the model's order. `options` are "NAME=FILE", or "FILE" for a model
// with one input. Pictures need `preprocess` (see media/preprocess.h) unless the input has 8 bits.
Result<std::vector<media::Array>> read_inputs(std::span<const TensorInfo> infos,
                                              const std::vector<std::string>& options,
                                              const std::string& preprocess);

// The input that "NAME=FILE" names, or the only one for "FILE", and the file. `flag` is for the
// error.
Result<std::pair<size_t, std::string>> split_option(std::span<const TensorInfo> infos,
                                                    const std::string& flag,
                                                    const std::string& option);

// By its extension.
bool is_picture(const std::string& path);

// One tensor of an input from a .npy file, as it is, or a picture, through `preprocess`.
Result<media::Array> read_input(const TensorInfo& info, const std::string& path,
                                const std::string& preprocess);

// Writes DIR/NAME.npy; characters outside [A-Za-z0-9._-] in the name become '_'. Creates the
// folder.
Status write_output(const std::string& folder, const std::string& name, const TensorView& tensor);

}  // namespace inferd::ctl
