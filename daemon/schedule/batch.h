// SPDX-License-Identifier: Apache-2.0
//
// Requests that run together: their inputs one after the other, and each one's part of the outputs.
#pragma once

#include <span>
#include <vector>

#include "daemon/schedule/waiting_list.h"

namespace inferd::schedule {

// Batch elements of all of them.
int elements_of(std::span<const Waiting> requests);

// Buffers of one runner, kept between batches so that runs allocate nothing.
class Batch {
 public:
  std::vector<Waiting> requests;

  int size() const { return elements_of(requests); }

  // Of `part`: those of a single request where they are, of several copied together. Valid until
  // the next call.
  std::span<const TensorView> gather(std::span<const Waiting> part);

  // What Context::run() takes for `part`: a state for each element, null where it has none; empty
  // where none has one. Valid until the next call.
  std::span<State* const> states(std::span<const Waiting> part);

  // Elements [first, first + count) of `size` along dimension 0 of `outputs`; all of them where
  // `count` is `size`. Valid until the next call.
  std::span<const TensorView> cut(std::span<const TensorView> outputs, int size, int first,
                                  int count);

 private:
  std::vector<std::vector<std::byte>> bytes_;  // of each input
  std::vector<TensorView> inputs_, outputs_;
  std::vector<State*> states_;
};

// Elements of a request to a batchable model.
int batch_of(const Request& request);

// Same shapes but for dimension 0: they can run together, unless they are of one sequence.
bool compatible(const Request& a, const Request& b);

}  // namespace inferd::schedule
