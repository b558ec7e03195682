// SPDX-License-Identifier: Apache-2.0
//
// An inference as clients of any protocol ask for it: which model, the tensors that they send, the
// outputs that they want, and the reserved parameters of the Open Inference Protocol and of
// Triton's extensions to it. A protocol reads names, numbers and bytes out of its messages, fills
// an InferCall with the functions here and submits what make_request() makes of it:
//
//   auto call = std::make_shared<InferCall>();
//   for (each parameter) set_parameter(name, value, call->options);
//   call->model = find_model(repository, name, version, {&caller, &call->options.sequence});
//   InputBinder inputs(*call->model->model);
//   for (each tensor) inputs.bind(name, datatype, shape)->data = its bytes;
//   call->inputs = inputs.finish();
//   for (each output) want_output(*call->model->model, name, call->outputs);   // or every_output()
//   schedule::Request request = make_request(call, deadline);
//   request.done = ...;
//   call->model->queue->submit(std::move(request));
//
// Errors are INVALID_ARGUMENT unless it says otherwise, and name the tensor or the parameter.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/models/repository.h"
#include "daemon/schedule/request.h"
#include "daemon/serve/shared_memory.h"
#include "inferd/engine/engine.h"

namespace inferd::serve {

// Versions travel as text; empty is the one that `asking` gets. INVALID_ARGUMENT unless `version`
// is empty or a positive number; NOT_FOUND names what there is instead.
Result<std::shared_ptr<const models::ModelVersion>> find_model(const models::Repository& repository,
                                                               const std::string& name,
                                                               const std::string& version,
                                                               const models::Asking& asking = {});

// The value of a parameter. std::monostate: present without a value, or of a kind that is none of
// these (a JSON list), which no reserved parameter takes.
using Parameter = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;

// What a client says of a whole request.
struct RequestOptions {
  int priority = 0;        // 1 is the most urgent; 0: the model's default
  int64_t timeout_us = 0;  // how long it may wait, where the model allows to say so; 0: its own
  schedule::Sequence sequence;
};

// Takes `priority`, `timeout`, `sequence_id` (a number, or up to 128 bytes of text; 0 and "": no
// sequence; the number 7 and the text "7" are the same), `sequence_start` and `sequence_end`. Whole
// numbers may be signed or not. Other names are ignored, as Triton does.
Status set_parameter(std::string_view name, const Parameter& value, RequestOptions& options);

// What a client says of one tensor.
struct TensorOptions {
  int64_t classes = 0;  // an output: its so many largest elements as text; 0: as it is
  std::optional<SharedMemory::Part> place = {};  // where an output goes; none: into the answer
};

// Takes `classification`; `tensor` ("output 'y'") is for messages. Other names are ignored; those
// of one protocol alone are that protocol's.
Status set_parameter(std::string_view tensor, std::string_view name, const Parameter& value,
                     TensorOptions& options);

// To be called before set_parameter(): takes `shared_memory_region`, `shared_memory_offset` and
// `shared_memory_byte_size`. False: `name` is none of these.
Result<bool> set_place(std::string_view tensor, std::string_view name, const Parameter& value,
                       TensorPlace& place);

// Puts a request's tensors into the order of a model's inputs and checks names and types. Whether
// shapes and sizes are what the model takes is left to the queue.
class InputBinder {
 public:
  explicit InputBinder(const Model& model);  // borrows

  // The view of the input called `name`, with type and shape set; the caller sets `data`, which is
  // borrowed. Refuses unknown and repeated names, another datatype (a name of the protocol, "FP32")
  // than the model's, negative dimensions and too many of them. The pointer is valid until
  // finish().
  Result<TensorView*> bind(std::string_view name, std::string_view datatype,
                           std::span<const int64_t> shape);

  // Reads the bytes of a bound input out of shared memory; `shared` keeps them. Nothing is read
  // unless the place has as many bytes as a tensor of this shape, which the model takes.
  Status read(TensorView& input, const SharedMemory& memory, const TensorPlace& place,
              std::vector<SharedBytes>& shared);

  // All inputs, in the model's order. Refuses when one is missing, or when a byte of a BOOL is
  // neither 0 nor 1: kernels may rely on it. Call once.
  Result<std::vector<TensorView>> finish();

 private:
  const std::span<const TensorInfo> infos_;
  std::vector<TensorView> views_;
  std::vector<bool> given_;
};

struct WantedOutput {
  size_t index = 0;  // in the model's outputs
  TensorOptions options;
};

// What a request that names no outputs gets: all of them.
std::vector<WantedOutput> every_output(const Model& model);

// Appends the output called `name`. Refuses one that the model does not have or that is in `wanted`
// already.
Status want_output(const Model& model, std::string_view name, std::vector<WantedOutput>& wanted);

// A request, decoded. The queue and `done` share it.
struct InferCall {
  std::shared_ptr<const models::ModelVersion> model;
  std::vector<TensorView> inputs;     // in the model's order
  std::vector<WantedOutput> outputs;  // in the client's order
  RequestOptions options;
  std::vector<std::vector<std::byte>> buffers;  // of inputs whose bytes had to be made
  std::vector<SharedBytes> shared;              // of inputs that lie in shared memory
};

// A request for the model's queue, without `cancelled` and `done`, that keeps `call` alive.
// `deadline_ns` is the protocol's own (CLOCK_MONOTONIC, 0: none).
schedule::Request make_request(std::shared_ptr<const InferCall> call, int64_t deadline_ns = 0);

// The classification extension: the elements of an output as a BYTES tensor of "value:index" or,
// where there is a label, "value:index:label", the largest first.
struct Classes {
  Shape shape;                        // [n], or [batch, n] for a batchable model
  std::vector<std::string> elements;  // row by row
};

// The `classes` largest elements of `output`, or all if it has fewer, for each element of the
// batch.
Classes classify(const TensorView& output, int64_t classes, const models::ModelVersion& model);

// A BYTES tensor as bytes: each element's length (4 bytes, little-endian), then itself.
std::string bytes_tensor(std::span<const std::string> elements);

}  // namespace inferd::serve
