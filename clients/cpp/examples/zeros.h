// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "inferd/client/client.h"

// Something to send in examples, which do not know what the model is for: zeros for every input, 1
// where a dimension may be anything. A program has pictures, sounds or measurements instead.
class Zeros {
 public:
  explicit Zeros(const inferd::ServedModelInfo& model) {
    for (const inferd::TensorInfo& input : model.inputs) {
      inferd::Shape shape = input.shape;
      for (int i = 0; i < shape.rank(); ++i) shape[i] = std::max<int64_t>(shape[i], 1);
      const auto elements = static_cast<size_t>(shape.elements());
      data_.emplace_back(elements * inferd::dtype_size(input.dtype));
      // A view of bytes that belong to somebody else, as of a camera's frame.
      tensors_.push_back({input.name, {input.dtype, shape, data_.back()}});
    }
  }

  const std::vector<inferd::NamedTensor>& tensors() const { return tensors_; }

 private:
  std::vector<std::vector<std::byte>> data_;
  std::vector<inferd::NamedTensor> tensors_;
};
