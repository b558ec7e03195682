// SPDX-License-Identifier: Apache-2.0
//
// The inference service's calls that look into the repository and change what serves.
#include "daemon/serve/control.h"
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/inference_service.h"
#include "daemon/serve/messages.h"

namespace inferd::serve {
namespace {

// Both layouts of loads and unloads: Triton's, and KServe's, whose field 1 is the model.
template <typename Request>
Result<std::string> model_of(const Request& request) {
  if (request.model_name().empty()) return std::string(request.repository_name());
  INFERD_RETURN_IF_ERROR(check_repository(request.repository_name()));
  return std::string(request.model_name());
}

template <typename Request>
Status check_parameters(const Request& request, Status (*check)(std::string_view)) {
  for (const auto& [name, value] : request.parameters()) {
    INFERD_RETURN_IF_ERROR(check(name));
  }
  return ok_status();
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(
    Context* context, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  const Status known = check_repository(request->repository_name());
  if (!known.ok()) return finish(context, known);
  *response = repository_index(repository_, request->ready());
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelLoad(
    Context* context, const inference::RepositoryModelLoadRequest* request,
    inference::RepositoryModelLoadResponse* response) {
  const Status understood = check_parameters(*request, check_load_parameter);
  if (!understood.ok()) return finish(context, understood);
  const auto model = model_of(*request);
  if (!model.ok()) return finish(context, model.status());
  Reactor* reactor = context->DefaultReactor();
  repository_.load(*model, [=, name = *model](const Status& status) {
    response->set_model_name(name);
    response->set_is_loaded(status.ok());
    reactor->Finish(to_grpc(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelUnload(
    Context* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse* response) {
  const Status understood = check_parameters(*request, check_unload_parameter);
  if (!understood.ok()) return finish(context, understood);
  const auto model = model_of(*request);
  if (!model.ok()) return finish(context, model.status());
  Reactor* reactor = context->DefaultReactor();
  repository_.unload(*model, [=, name = *model](const Status& status) {
    response->set_model_name(name);
    response->set_is_unloaded(status.ok());
    reactor->Finish(to_grpc(status));
  });
  return reactor;
}

}  // namespace inferd::serve
