// SPDX-License-Identifier: Apache-2.0
//
// One request of a client between its frame and its answer. A connection has a fixed number of
// these and uses them again and again, so that a request allocates nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/models/repository.h"
#include "daemon/serve/local/frames.h"
#include "daemon/serve/local/region.h"

namespace inferd::serve::local {

// By number; null where there is none.
using Regions = std::vector<std::shared_ptr<const Region>>;

class InFlight {
 public:
  // Resolves what the frame says against the model and the buffers: afterwards nothing of the frame
  // is needed, and nothing in shared memory decides more than values. The buffers stay mapped until
  // release(). INVALID_ARGUMENT, NOT_FOUND or OUT_OF_RANGE names the tensor and what is wrong.
  Status prepare(const Infer& infer, std::span<const Place> places,
                 std::span<const std::byte> frame, const Regions& regions,
                 std::shared_ptr<const models::ModelVersion> model, uint64_t id,
                 int64_t received_ns);

  std::span<const TensorView> inputs() const { return inputs_; }
  uint64_t id() const { return id_; }

  // Asked by the model's queue, told by the client.
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  // Writes the results to their places and makes the answer's frame, which is kept here until
  // release().
  void answer(const schedule::Outcome& outcome);
  std::span<const std::byte> frame() const { return frame_; }

  // Lets go of the model and the buffers; the memory of the request itself stays.
  void release();

 private:
  // Of an output: where the client wants it.
  struct Room {
    Place place;
    std::span<std::byte> at;  // of a place in a buffer
  };

  Status resolve_input(size_t index, const Place& place, std::span<const std::byte> frame,
                       const Regions& regions);
  Status resolve_output(size_t index, const Place& place, const Regions& regions);
  void copy_inputs();
  Status deliver(std::span<const TensorView> outputs);
  void write_results(const schedule::Outcome& outcome);

  uint64_t id_ = 0;
  int64_t received_ns_ = 0;
  std::atomic<bool> cancelled_{false};
  std::shared_ptr<const models::ModelVersion> model_;
  Regions regions_;  // that the request uses
  std::vector<TensorView> inputs_;
  std::vector<bool> copied_;  // which inputs must not stay where they are
  std::vector<Room> outputs_;
  std::vector<std::byte> copies_, frame_;
};

}  // namespace inferd::serve::local
