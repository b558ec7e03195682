// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/batch.h"

#include <algorithm>

namespace inferd::schedule {

int elements_of(std::span<const Waiting> requests) {
  int size = 0;
  for (const Waiting& waiting : requests) size += waiting.batch;
  return size;
}

std::span<const TensorView> Batch::gather(std::span<const Waiting> part) {
  const auto first = part[0].request.inputs;
  if (part.size() == 1) return first;
  inputs_.assign(first.begin(), first.end());
  bytes_.resize(first.size());
  const int size = elements_of(part);
  for (size_t i = 0; i < first.size(); ++i) {
    std::vector<std::byte>& bytes = bytes_[i];
    bytes.clear();
    for (const Waiting& waiting : part) {
      const auto data = waiting.request.inputs[i].data;
      bytes.insert(bytes.end(), data.begin(), data.end());
    }
    inputs_[i].shape[0] = size;
    inputs_[i].data = bytes;
  }
  return inputs_;
}

std::span<State* const> Batch::states(std::span<const Waiting> part) {
  states_.clear();
  bool any = false;
  for (const Waiting& waiting : part) {
    any = any || waiting.state != nullptr;
    states_.insert(states_.end(), static_cast<size_t>(waiting.batch), waiting.state);
  }
  return any ? std::span<State* const>(states_) : std::span<State* const>();
}

std::span<const TensorView> Batch::cut(std::span<const TensorView> outputs, int size, int first,
                                       int count) {
  outputs_.assign(outputs.begin(), outputs.end());
  if (count == size) return outputs_;
  for (TensorView& output : outputs_) {
    const size_t element = output.data.size() / static_cast<size_t>(size);
    output.shape[0] = count;
    output.data = output.data.subspan(element * static_cast<size_t>(first),
                                      element * static_cast<size_t>(count));
  }
  return outputs_;
}

int batch_of(const Request& request) { return static_cast<int>(request.inputs[0].shape[0]); }

bool compatible(const Request& a, const Request& b) {
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(),
                    [](const TensorView& x, const TensorView& y) {
                      return std::equal(x.shape.begin() + 1, x.shape.end(), y.shape.begin() + 1,
                                        y.shape.end());
                    });
}

}  // namespace inferd::schedule
