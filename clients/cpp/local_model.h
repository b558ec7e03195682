// SPDX-License-Identifier: Apache-2.0
//
// A request over the local socket: what its model takes, where its tensors lie in the memory that
// the daemon shares, and how long it may take.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clients/c/inferd_local.h"
#include "inferd/client/infer.h"

namespace inferd {

Status status_of(const inferd_error& error);

// "": 0, the newest. INVALID_ARGUMENT: not a positive number.
Result<int64_t> parse_version(const std::string& text);

// A model that a connection has bound. Immutable.
struct BoundModel {
  explicit BoundModel(const inferd_model& model);

  const inferd_model* handle;  // until it is unbound
  std::vector<TensorInfo> inputs, outputs;
};

// How long a request may take: its sender waits no longer, and the daemon does not begin later.
struct TimeLimit {
  explicit TimeLimit(int64_t milliseconds);  // negative: for ever
  bool is_over() const;

  int timeout_ms;       // -1: for ever
  int64_t deadline_ns;  // CLOCK_MONOTONIC; 0: none
};

// Where the tensors of one request lie in a buffer: the inputs, then room for the outputs that are
// wanted.
class RequestLayout {
 public:
  RequestLayout() = default;
  // INVALID_ARGUMENT: tensors that the model does not have or take.
  static Result<RequestLayout> plan(std::shared_ptr<const BoundModel> model,
                                    const std::vector<NamedTensor>& inputs,
                                    const std::vector<std::string>& wanted);

  size_t bytes() const { return bytes_; }
  // Makes the room for outputs larger, of which the daemon says that they do not fit: how large
  // some are is known only when they are there. False: no request may have more.
  bool grow();

  // Copies `inputs`, those it was planned for, to `buffer`, which has bytes() at least.
  void put_inputs(const std::vector<NamedTensor>& inputs, const inferd_buffer& buffer);
  // The same inputs where they lie now; borrowed from `buffer`.
  std::vector<NamedTensor> inputs_in(const inferd_buffer& buffer) const;

  // What to send. Borrows from this.
  inferd_request request(const InferOptions& options, const TimeLimit& limit) const;

  // Copies the outputs. DATA_LOSS: `answer` is not one to such a request.
  Result<std::vector<NamedResult>> results(const inferd_answer& answer,
                                           const inferd_buffer& buffer) const;

 private:
  void lay_out();

  std::shared_ptr<const BoundModel> model_;
  std::vector<inferd_place> places_;  // of the inputs, then of the outputs, in the model's order
  size_t bytes_ = 0;
};

}  // namespace inferd
