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
    after_ = tensors_;
    begin(1);
  }

  void reset() override { begin(sequences_); }

  // So many sequences, each at its beginning. Allocates nothing unless there were never as many; a
  // model that is not batchable has one.
  void begin(int64_t sequences) {
    sequences_ = sequences;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      OwnedTensor& now = tensors_[i];
      OwnedTensor& next = after_[i];
      if (batchable_) now.shape[0] = next.shape[0] = sequences;
      now.data.resize(static_cast<size_t>(now.shape.elements()) * dtype_size(now.dtype));
      next.data.resize(now.data.size());
      if (initial_[i] == nullptr) {
        std::ranges::fill(now.data, std::byte{0});
        continue;
      }
      for (auto at = now.data.begin(); at != now.data.end();) {
        at = std::ranges::copy(initial_[i]->bytes(), at).out;
      }
    }
  }

  int64_t sequences() const { return sequences_; }
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
  bool batchable_;
  int64_t sequences_ = 1;
  std::vector<OwnedTensor> tensors_;
  std::vector<OwnedTensor> after_;
};

}  // namespace inferd::runtime
