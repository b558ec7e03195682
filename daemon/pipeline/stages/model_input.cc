// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/stages/model_input.h"

#include <algorithm>

#include "media/reals.h"

namespace inferd::pipeline {
namespace {

std::string counted(int64_t rows, int64_t columns) {
  return std::to_string(rows) + " rows of " + std::to_string(columns);
}

// Where an input for pictures has its rows and columns of pixels.
struct Sides {
  int height = 0, width = 0;  // dimensions
};
Sides sides_of(const Shape& shape) {
  const bool planes = shape.rank() == 4 && shape[3] != 1 && shape[3] != 3;
  return planes ? Sides{2, 3} : Sides{1, 2};
}

}  // namespace

void make_static(Shape& shape, int64_t values) {
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

Result<ModelInput> ModelInput::create(TensorInfo input, const media::Preprocess& preprocess,
                                      const Signal& signal, const PictureSize& size) {
  ModelInput made(std::move(input), preprocess);
  TensorInfo& info = made.info_;
  if (info.shape.rank() > 0 && info.shape[0] == kDynamicDim) info.shape[0] = 1;  // the batch
  if (signal.samples) {
    INFERD_RETURN_IF_ERROR(media::takes_reals(info));
    const int64_t values = int64_t{signal.rows} * signal.columns;
    make_static(info.shape, values);
    if (values > 0 && values != info.shape.elements()) {
      return invalid_argument("input '" + info.name + "' " + info.shape.to_string() + " takes " +
                              std::to_string(info.shape.elements()) + " numbers, and " +
                              counted(signal.rows, signal.columns) + " come");
    }
    return made;
  }
  made.takes_pictures_ = true;
  INFERD_RETURN_IF_ERROR(made.fix_size(size));
  INFERD_RETURN_IF_ERROR(media::image_tensor_of(info).status());
  if (info.dtype == DType::kFloat32 && !preprocess.normalize) {
    return invalid_argument("input '" + info.name +
                            "' takes float32; say what it expects with a 'normalize' stage before "
                            "'infer' (mean: 0, std: 1 for raw pixels)");
  }
  INFERD_RETURN_IF_ERROR(media::Preprocessor::create(made.preprocess_, made.info_).status());
  return made;
}

Status ModelInput::fix_size(const PictureSize& size) {
  Shape& shape = info_.shape;
  const std::string which = "input '" + info_.name + "' " + shape.to_string() + " ";
  if (shape.rank() != 4) return ok_status();  // of what takes no pictures at all
  const Sides sides = sides_of(shape);
  if (size.width > 0 && size.max_width > 0)
    return invalid_argument("it has either a 'width' or a 'max_width'");
  const bool follows = size.max_width > 0;
  if (follows && shape[sides.width] != kDynamicDim)
    return invalid_argument(which + "has one width, and 'max_width' is for models of any");
  if (follows) {
    max_width_ = std::max(size.max_width / kWidthStep, 1) * kWidthStep;
    width_dim_ = sides.width;
  }
  const auto fix = [&](int dim, int wanted, const char* name) -> Status {
    if (shape[dim] != kDynamicDim && wanted > 0 && shape[dim] != wanted)
      return invalid_argument(which + "has another " + name + " than " + std::to_string(wanted));
    if (shape[dim] == kDynamicDim && wanted == 0)
      return invalid_argument(which + "takes pictures of any size: say its '" + name + "'");
    if (shape[dim] == kDynamicDim) shape[dim] = wanted;
    return ok_status();
  };
  INFERD_RETURN_IF_ERROR(fix(sides.height, size.height, "height"));
  return fix(sides.width, follows ? max_width_ : size.width, "width");
}

int ModelInput::width_for(const media::Picture& picture) const {
  double width = double{preprocess_.roi.width} * picture.width;
  double height = double{preprocess_.roi.height} * picture.height;
  if (preprocess_.rotate % 180 != 0) std::swap(width, height);
  const auto wanted = static_cast<double>(info_.shape[sides_of(info_.shape).height]) * width /
                      std::max(height, 1e-6);
  const int steps = static_cast<int>(std::clamp(wanted / kWidthStep, 0.5, 1e4) + 0.5);
  return std::min(steps * kWidthStep, max_width_);
}

// For pictures of the width that info_ has; one that had a picture like this before, if it can be.
Result<media::Preprocessor*> ModelInput::preprocessor(const media::Picture& picture,
                                                      const media::LensView* lens) {
  Kept& kept = pictures_[{max_width_ > 0 ? info_.shape[width_dim_] : 0, lens != nullptr}];
  for (media::Preprocessor& one : kept.two) {
    if (one.is_planned_for(picture)) return &one;
  }
  if (kept.next == kept.two.size()) {
    INFERD_ASSIGN_OR_RETURN(
        auto made, lens == nullptr ? media::Preprocessor::create(preprocess_, info_)
                                   : media::Preprocessor::create(preprocess_, info_, *lens));
    kept.two.push_back(std::move(made));
  }
  media::Preprocessor* const chosen = &kept.two[kept.next];
  kept.next = 1 - kept.next;
  return chosen;
}

Status ModelInput::set_quantization(const Quantization& quantization) {
  info_.quantization = quantization;
  for (auto& [like, kept] : pictures_) {
    for (media::Preprocessor& one : kept.two)
      INFERD_RETURN_IF_ERROR(one.set_quantization(quantization));
  }
  return takes_pictures_ ? ok_status() : media::takes_reals(info_);
}

Result<media::Placement> ModelInput::fill(const Frame& frame, const media::LensView* lens,
                                          std::vector<std::byte>& bytes, TensorView& tensor) {
  if (max_width_ > 0) info_.shape[width_dim_] = width_for(frame.picture);
  bytes.resize(static_cast<size_t>(info_.shape.elements()) * dtype_size(info_.dtype));
  tensor = {info_.dtype, info_.shape, bytes};
  if (takes_pictures_) {
    INFERD_ASSIGN_OR_RETURN(media::Preprocessor * picture, preprocessor(frame.picture, lens));
    return picture->fill(frame.picture, bytes);
  }
  const Samples& samples = frame.samples;
  if (int64_t{samples.rows} * samples.columns != info_.shape.elements()) {
    return failed_precondition("input '" + info_.name + "' " + info_.shape.to_string() +
                               " takes other samples than " +
                               counted(samples.rows, samples.columns));
  }
  media::store_reals(samples.values, info_, bytes);
  return media::Placement{};
}

}  // namespace inferd::pipeline
