// SPDX-License-Identifier: Apache-2.0
//
// Between ModelInfer's messages and tensors.
#pragma once

#include <vector>

#include "inferd/engine/engine.h"
#include "inference/grpc_service.pb.h"

namespace inferd::serve {

// The request's tensors in the order of the model's inputs. Raw contents are borrowed from
// `request`; typed ones are converted into `converted`, which must live as long as the views.
// INVALID_ARGUMENT says which input and why: unknown, missing or repeated name, wrong datatype,
// both raw and typed contents, typed ones in the wrong field or of the wrong number, an element out
// of its type's range, a negative dimension. Whether the shape and the raw bytes are what the model
// takes is left to the queue.
Result<std::vector<TensorView>> decode_inputs(const inference::ModelInferRequest& request,
                                              const Model& model,
                                              std::vector<std::vector<std::byte>>& converted);

// Indices of the outputs that the request asks for (all when it names none). INVALID_ARGUMENT for a
// name the model does not have, or one that stands twice.
Result<std::vector<size_t>> requested_outputs(const inference::ModelInferRequest& request,
                                              const Model& model);

// Copies the chosen outputs as raw contents.
void encode_outputs(std::span<const TensorView> outputs, std::span<const size_t> chosen,
                    const Model& model, inference::ModelInferResponse& response);

}  // namespace inferd::serve
