// SPDX-License-Identifier: Apache-2.0
//
// Inputs to calibrate and evaluate with: folders of pictures or .npy files.
#pragma once

#include <string>
#include <vector>

#include "inferd/engine/quantize.h"
#include "media/npy.h"

namespace inferd::ctl {

class Samples {
 public:
  // `options` are "NAME=PATH" for each input, or "PATH" for a model with one. A path is a folder,
  // whose pictures and .npy files are a sample each in the order of their names; one such file; or
  // one .npy file with many samples along dimension 0. NOT_FOUND or INVALID_ARGUMENT when there
  // are none, or inputs have different numbers.
  static Result<Samples> open(std::vector<TensorInfo> infos,
                              const std::vector<std::string>& options, std::string preprocess);

  size_t count() const { return inputs_[0].count(); }
  // One array for each input; files are read anew each time.
  Result<std::vector<media::Array>> read(size_t i) const;

 private:
  struct Input {
    std::vector<std::string> files;
    media::Array stacked;  // instead of files: samples along dimension 0
    size_t count() const {
      return stacked.data.empty() ? files.size() : static_cast<size_t>(stacked.shape[0]);
    }
  };
  static Result<Input> find(const TensorInfo& info, const std::string& path);

  std::vector<TensorInfo> infos_;
  std::vector<Input> inputs_;  // as infos_
  std::string preprocess_;
};

}  // namespace inferd::ctl
