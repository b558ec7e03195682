// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/constant.h"
#include "engine/runtime/program_runner.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

// The state tensors of one sequence, in the order of the graph's states.
class TensorState final : public State {
 public:
  // `initial` is null where a state begins as zeros.
  TensorState(std::vector<TensorInfo> infos, std::vector<std::shared_ptr<const Constant>> initial)
      : infos_(std::move(infos)), initial_(std::move(initial)) {
    reset();
  }

  void reset() override {
    tensors_.clear();
    after_.clear();
    for (size_t i = 0; i < infos_.size(); ++i) {
      const Shape& shape = infos_[i].shape;
      OwnedTensor tensor{infos_[i].dtype, shape, {}};
      tensor.data.resize(static_cast<size_t>(shape.elements()) * dtype_size(tensor.dtype));
      if (initial_[i] != nullptr) {
        const auto bytes = initial_[i]->bytes();
        tensor.data.assign(bytes.begin(), bytes.end());
      }
      after_.push_back(tensor);
      tensors_.push_back(std::move(tensor));
    }
  }

  std::span<const OwnedTensor> tensors() const { return tensors_; }

  // `after` has the types and shapes of tensors(), and may lie in them: what they are now stays
  // where it is until the next advance(). Allocates nothing.
  void advance(std::span<const TensorView> after) {
    for (size_t i = 0; i < after.size(); ++i) {
      std::copy(after[i].data.begin(), after[i].data.end(), after_[i].data.begin());
    }
    tensors_.swap(after_);
  }

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::shared_ptr<const Constant>> initial_;
  std::vector<OwnedTensor> tensors_;
  std::vector<OwnedTensor> after_;
};

}  // namespace inferd::runtime
