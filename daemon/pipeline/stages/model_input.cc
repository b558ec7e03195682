// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/stages/model_input.h"

#include <algorithm>

#include "media/reals.h"

namespace inferd::pipeline {
namespace {

// The batch is 1; one more dimension may be what `values` numbers, if they are known, leave for it.
void make_static(Shape& shape, int64_t values) {
  if (shape.rank() > 0 && shape[0] == kDynamicDim) shape[0] = 1;
  int open = -1;
  int64_t rest = 1;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] != kDynamicDim) {
      rest *= shape[d];
    } else if (open >= 0) {
      shape[d] = 1;
    } else {
      open = d;
    }
  }
  if (open >= 0)
    shape[open] = rest > 0 && values % rest == 0 ? std::max<int64_t>(values / rest, 1) : 1;
}

std::string counted(int64_t rows, int64_t columns) {
  return std::to_string(rows) + " rows of " + std::to_string(columns);
}

}  // namespace

Result<ModelInput> ModelInput::create(TensorInfo input, const media::Preprocess& preprocess,
                                      const Signal& signal) {
  if (signal.samples) {
    INFERD_RETURN_IF_ERROR(media::takes_reals(input));
    const int64_t values = int64_t{signal.rows} * signal.columns;
    make_static(input.shape, values);
    if (values > 0 && values != input.shape.elements()) {
      return invalid_argument("input '" + input.name + "' " + input.shape.to_string() + " takes " +
                              std::to_string(input.shape.elements()) + " numbers, and " +
                              counted(signal.rows, signal.columns) + " come");
    }
    return ModelInput(std::move(input));
  }
  if (input.shape.rank() > 0 && input.shape[0] == kDynamicDim) input.shape[0] = 1;
  INFERD_RETURN_IF_ERROR(media::image_tensor_of(input).status());
  if (input.dtype == DType::kFloat32 && !preprocess.normalize) {
    return invalid_argument("input '" + input.name +
                            "' takes float32; say what it expects with a 'normalize' stage before "
                            "'infer' (mean: 0, std: 1 for raw pixels)");
  }
  INFERD_ASSIGN_OR_RETURN(auto preprocessor, media::Preprocessor::create(preprocess, input));
  ModelInput made(std::move(input));
  made.picture_ = std::move(preprocessor);
  return made;
}

size_t ModelInput::bytes() const {
  return static_cast<size_t>(info_.shape.elements()) * dtype_size(info_.dtype);
}

Status ModelInput::set_quantization(const Quantization& quantization) {
  info_.quantization = quantization;
  return picture_ ? picture_->set_quantization(quantization) : media::takes_reals(info_);
}

Result<media::Placement> ModelInput::fill(const Frame& frame, std::span<std::byte> tensor) {
  if (picture_) return picture_->fill(frame.picture, tensor);
  const Samples& samples = frame.samples;
  if (int64_t{samples.rows} * samples.columns != info_.shape.elements()) {
    return failed_precondition("input '" + info_.name + "' " + info_.shape.to_string() +
                               " takes other samples than " +
                               counted(samples.rows, samples.columns));
  }
  media::store_reals(samples.values, info_, tensor);
  return media::Placement{};
}

}  // namespace inferd::pipeline
