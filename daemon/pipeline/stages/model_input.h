// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/pipeline/frame.h"
#include "media/preprocessor.h"

namespace inferd::pipeline {

// Of pictures, for models that take them in any size; 0: not said.
struct PictureSize {
  int width = 0, height = 0;
  int max_width = 0;  // instead of a width: it follows each picture's aspect ratio up to that
};

// Of dimensions that may be anything, the first becomes what `values` numbers leave for it, where
// they divide evenly, and others 1.
void make_static(Shape& shape, int64_t values);

// How frames become one input of a model. Used by one thread.
class ModelInput {
 public:
  // `signal` says what frames will hold. Samples are taken as they are, and must be as many as the
  // input has elements; of dynamic dimensions one becomes what they need, others 1.
  static Result<ModelInput> create(TensorInfo input, const media::Preprocess& preprocess,
                                   const Signal& signal, const PictureSize& size = {});

  const TensorInfo& info() const { return info_; }  // as it is filled, or last was

  // Of a new version of the model, alike in everything else.
  Status set_quantization(const Quantization& quantization);

  // Fills `bytes`, of which `tensor` becomes a view. Where a picture lies in the tensor; of samples
  // nothing. `lens`, or null: what has bent the picture, the same for all that are bent.
  Result<media::Placement> fill(const Frame& frame, const media::LensView* lens,
                                std::vector<std::byte>& bytes, TensorView& tensor);

 private:
  static constexpr int kWidthStep = 32;  // of widths that follow

  ModelInput(TensorInfo info, const media::Preprocess& preprocess)
      : info_(std::move(info)), preprocess_(preprocess) {}

  Status fix_size(const PictureSize& size);
  int width_for(const media::Picture& picture) const;
  Result<media::Preprocessor*> preprocessor(const media::Picture& picture,
                                            const media::LensView* lens);

  TensorInfo info_;
  media::Preprocess preprocess_;
  bool takes_pictures_ = false;
  int width_dim_ = 0, max_width_ = 0;  // of widths that follow, else 0
  // Of one width. Two sizes of pictures may take turns, as a frame and its tiles do.
  struct Kept {
    std::vector<media::Preprocessor> two;
    size_t next = 0;  // to be used for another size
  };
  std::map<std::pair<int64_t, bool>, Kept> pictures_;  // by width, and whether they are bent
};

}  // namespace inferd::pipeline
