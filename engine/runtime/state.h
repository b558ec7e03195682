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
  TensorState(std::span<const TensorInfo> infos,
              std::vector<std::shared_ptr<const Constant>> initial)
      : initial_(std::move(initial)) {
    for (const TensorInfo& info : infos) {
      const auto bytes = static_cast<size_t>(info.shape.elements()) * dtype_size(info.dtype);
      tensors_.push_back({info.dtype, info.shape, std::vector<std::byte>(bytes)});
    }
    after_ = tensors_;
    reset();
  }

  // Allocates nothing.
  void reset() override {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (initial_[i] != nullptr) {
        std::ranges::copy(initial_[i]->bytes(), tensors_[i].data.begin());
      } else {
        std::ranges::fill(tensors_[i].data, std::byte{0});
      }
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
  std::vector<std::shared_ptr<const Constant>> initial_;
  std::vector<OwnedTensor> tensors_;
  std::vector<OwnedTensor> after_;
};

}  // namespace inferd::runtime
