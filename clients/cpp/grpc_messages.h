// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "inferd/client/infer.h"
#include "inference/grpc_service.pb.h"

namespace inferd {

Status from_grpc(const grpc::Status& status);

// The tensors are copied.
inference::ModelInferRequest infer_request(const std::string& model,
                                           const std::vector<NamedTensor>& inputs,
                                           const InferOptions& options);

// INTERNAL: an output of unknown type or shape, or without its bytes.
Result<std::vector<NamedResult>> infer_results(const inference::ModelInferResponse& response);

// INTERNAL: an output that is not text of the form "score:index" or "score:index:label".
Result<std::vector<NamedClasses>> class_results(const inference::ModelInferResponse& response);

}  // namespace inferd
