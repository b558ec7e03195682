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

// The state tensors of one sequence, in the order of the graph's states; or of several sequences of
// a batchable model, one for each batch element.
class TensorState final : public State {
 public:
  // One sequence. `initial` is null where a state begins as zeros, and of one sequence elsewhere.
  // Dimension 0 of a batchable model's `infos` is dynamic.
  TensorState(std::span<const TensorInfo> infos,
              std::vector<std::shared_ptr<const Constant>> initial, bool batchable)
      : initial_(std::move(initial)), batchable_(batchable) {
    for (const TensorInfo& info : infos) tensors_.push_back({info.dtype, info.shape, {}});
    resize(1);
    after_ = tensors_;
    reset();
  }

  void reset() override {
    constexpr TensorState* kBegins = nullptr;
    gather({&kBegins, 1});
  }

  // What each of `states` remembers, one after the other; where one is null, its beginning. A model
  // that is not batchable has one. Allocates nothing unless there were never as many.
  void gather(std::span<TensorState* const> states) {
    resize(states.size());
    if (states.empty()) return;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      auto at = tensors_[i].data.begin();
      const auto size = static_cast<std::ptrdiff_t>(tensors_[i].data.size() / states.size());
      for (const TensorState* state : states) {
        if (state != nullptr) {
          std::ranges::copy(state->tensors_[i].data, at);
        } else if (initial_[i] != nullptr) {
          std::ranges::copy(initial_[i]->bytes(), at);
        } else {
          std::fill_n(at, size, std::byte{0});
        }
        at += size;
      }
    }
  }

  std::span<const OwnedTensor> tensors() const { return tensors_; }

  // One sequence of the same model as `other`'s, as far as types and shapes tell.
  bool is_like(const TensorState& other) const {
    const auto alike = [this](const OwnedTensor& a, const OwnedTensor& b) {
      const size_t first = batchable_ ? 1 : 0;
      return a.dtype == b.dtype &&
             std::ranges::equal(a.shape.dims().subspan(first), b.shape.dims().subspan(first));
    };
    return batchable_ == other.batchable_ && std::ranges::equal(tensors_, other.tensors_, alike);
  }

  // `after` has the types and shapes of tensors(), and may lie in them: what they are now stays
  // where it is until the next advance(). Allocates nothing.
  void advance(std::span<const TensorView> after) {
    for (size_t i = 0; i < after.size(); ++i) {
      std::ranges::copy(after[i].data, after_[i].data.begin());
    }
    tensors_.swap(after_);
  }

  // Of what comes after `count` sequences the part of number `index`, which does not lie in this
  // state. Allocates nothing.
  void take(std::span<const TensorView> after, size_t index, size_t count) {
    for (size_t i = 0; i < after.size(); ++i) {
      const size_t size = after[i].data.size() / count;
      std::ranges::copy(after[i].data.subspan(index * size, size), tensors_[i].data.begin());
    }
  }

 private:
  void resize(size_t sequences) {
    for (OwnedTensor& tensor : tensors_) {
      if (batchable_) tensor.shape[0] = static_cast<int64_t>(sequences);
      tensor.data.resize(static_cast<size_t>(tensor.shape.elements()) * dtype_size(tensor.dtype));
    }
  }

  std::vector<std::shared_ptr<const Constant>> initial_;
  bool batchable_;
  std::vector<OwnedTensor> tensors_;
  std::vector<OwnedTensor> after_;
};

}  // namespace inferd::runtime
