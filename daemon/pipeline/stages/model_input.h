// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "daemon/pipeline/frame.h"
#include "media/preprocessor.h"

namespace inferd::pipeline {

// How frames become one input of a model. Used by one thread.
class ModelInput {
 public:
  // `signal` says what frames will hold; samples are taken as they are, and must be as many as the
  // input has elements. Dynamic dimensions become 1, or one of them what samples need.
  static Result<ModelInput> create(TensorInfo input, const media::Preprocess& preprocess,
                                   const Signal& signal);

  const TensorInfo& info() const { return info_; }  // as it is filled
  size_t bytes() const;

  // Of a new version of the model, alike in everything else.
  Status set_quantization(const Quantization& quantization);

  // `tensor` has bytes(). Where a picture lies in the tensor; of samples nothing.
  Result<media::Placement> fill(const Frame& frame, std::span<std::byte> tensor);

 private:
  explicit ModelInput(TensorInfo info) : info_(std::move(info)) {}

  TensorInfo info_;
  std::optional<media::Preprocessor> picture_;  // or samples
};

}  // namespace inferd::pipeline
