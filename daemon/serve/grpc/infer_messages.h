// SPDX-License-Identifier: Apache-2.0
//
// Between ModelInfer's messages and calls.
#pragma once

#include <memory>
#include <vector>

#include "daemon/serve/call.h"
#include "inference/grpc_service.pb.h"

namespace inferd::serve {

Parameter to_parameter(const inference::InferParameter& parameter);

// The whole request. Its raw contents are borrowed from it, so it must outlive the call. Fails as
// find_model(), set_parameter() and the functions below do.
Result<std::shared_ptr<const InferCall>> decode_call(const inference::ModelInferRequest& request,
                                                     const models::Caller& caller,
                                                     const models::Repository& repository,
                                                     const SharedMemory& memory);

// The request's tensors become `call.inputs`, in the order of the model's inputs. Raw contents are
// borrowed from `request`; typed ones are converted into `call.buffers`, those in shared memory
// read into `call.shared`. INVALID_ARGUMENT says which input and why: what InputBinder refuses,
// both raw and typed contents, contents of a tensor that lies in shared memory, typed ones in the
// wrong field or of the wrong number, an element out of its type's range. Whether the shape and the
// raw bytes are what the model takes is left to the queue.
Status decode_inputs(const inference::ModelInferRequest& request, const Model& model,
                     const SharedMemory& memory, InferCall& call);

// The outputs that the request asks for, all when it names none. INVALID_ARGUMENT for a name that
// the model does not have, one that stands twice, or a parameter that makes no sense; as
// SharedMemory::find() where it shall be written to shared memory.
Result<std::vector<WantedOutput>> wanted_outputs(const inference::ModelInferRequest& request,
                                                 const Model& model, const SharedMemory& memory);

// Names the model and copies the wanted outputs as raw contents, or to shared memory, where their
// raw contents are empty. Fails as SharedMemory::Part::write().
Status encode_outputs(std::span<const TensorView> outputs, std::span<const WantedOutput> wanted,
                      const models::ModelVersion& model, inference::ModelInferResponse& response);

}  // namespace inferd::serve
