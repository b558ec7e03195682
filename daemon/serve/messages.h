// SPDX-License-Identifier: Apache-2.0
//
// What clients of every protocol are told of the daemon and its models, as messages of the Open
// Inference Protocol: gRPC sends them, HTTP writes them as JSON.
#pragma once

#include <string>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "inference/grpc_service.pb.h"

namespace inferd::serve {

// Name, version, and which extensions of the protocol are served.
inference::ServerMetadataResponse server_metadata(const config::ServerConfig& config,
                                                  const std::string& version);

inference::ModelMetadataResponse model_metadata(const models::ModelVersion& model);

// Of one model, or, without a name, of all that serve. Errors are find_model's.
Result<inference::ModelStatisticsResponse> model_statistics(const models::Repository& repository,
                                                            const std::string& name,
                                                            const std::string& version);

// All models of the repository, or only those that serve.
inference::RepositoryIndexResponse repository_index(const models::Repository& repository,
                                                    bool only_ready);

}  // namespace inferd::serve
