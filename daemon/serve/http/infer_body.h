// SPDX-License-Identifier: Apache-2.0
//
// Between bodies of inference over HTTP and calls: JSON with tensors in it, or, by Triton's binary
// tensor extension, JSON with the bytes of tensors behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/serve/call.h"
#include "daemon/serve/http/message.h"

namespace inferd::serve {

// A request, decoded.
struct InferBody {
  std::shared_ptr<InferCall> call;
  std::string id;            // the client's name for it, repeated in the answer
  std::vector<bool> binary;  // for each of call->outputs: bytes, or numbers in JSON
};

// How the body is divided: the header "Inference-Header-Content-Length".
struct BodyLayout {
  // Bytes of JSON, the rest are tensors; 0: all of it is the model's only input, and all outputs
  // come as bytes. None: all of it is JSON.
  std::optional<int64_t> json_bytes;
  int64_t max_json_memory = 128 << 20;  // that its values may take
};

// INVALID_ARGUMENT when the header is not a number.
Result<BodyLayout> body_layout(const Request& request);

// The model for a request, of which no more needs to be known.
using FindForSequence =
    std::function<Result<std::shared_ptr<const models::ModelVersion>>(const schedule::Sequence&)>;

// The call borrows `body`, or copies what of it a kernel could not read for its alignment, and what
// lies in `memory`. INVALID_ARGUMENT says what is wrong, with the tensor's name where there is one;
// errors of shared memory and of `find`, which is called at most once, are their own. Shapes and
// sizes of binary tensors are left to the queue.
Result<InferBody> decode_infer(const FindForSequence& find, const SharedMemory& memory,
                               std::string_view body, const BodyLayout& layout);

// Whether the answer has elements written as text, which takes many times as long as copying them.
bool has_json_data(const InferBody& body);

// The answer made of what the model put out, all of whose outputs are in `outputs`. Fails when an
// output does not go where it shall in shared memory.
Result<Response> encode_infer(const InferBody& body, std::span<const TensorView> outputs);

}  // namespace inferd::serve
