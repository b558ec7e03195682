// SPDX-License-Identifier: Apache-2.0
//
// --input NAME=FILE options: .npy files as they are, pictures through the model's preprocessing,
// sounds as features.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inferd/engine/engine.h"
#include "media/npy.h"
#include "media/preprocess.h"

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

// By their extensions.
bool is_picture(const std::string& path);

bool is_sound(const std::string& path);

// One tensor of an input from a .npy file, as it is; a picture, through `preprocess`; or a .wav
// file, as media/sound_tensor.h says. `placement`, where it is wanted, tells where a picture lies.
Result<media::Array> read_input(const TensorInfo& info, const std::string& path,
                                const std::string& preprocess,
                                media::Placement* placement = nullptr);

// One tensor of an input from a picture.
Result<media::Array> picture_tensor(const TensorInfo& info, const media::Image& image,
                                    const std::string& preprocess,
                                    media::Placement* placement = nullptr);

// Writes DIR/NAME.npy; characters outside [A-Za-z0-9._-] in the name become '_'. Creates the
// folder.
Status write_output(const std::string& folder, const std::string& name, const TensorView& tensor);

}  // namespace inferd::ctl
