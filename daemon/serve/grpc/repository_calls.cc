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

// What comes with a load: text is a configuration, bytes are files.
Result<std::map<std::string, std::string>> content_of(
    const inference::RepositoryModelLoadRequest& request) {
  std::map<std::string, std::string> content;
  for (const auto& [name, value] : request.parameters()) {
    INFERD_RETURN_IF_ERROR(check_load_parameter(name));
    const bool is_text = name == "config";
    if (is_text ? !value.has_string_param() : !value.has_bytes_param()) {
      return invalid_argument("load parameter '" + name + "' must be a " +
                              (is_text ? "string_param" : "bytes_param"));
    }
    content[name] = is_text ? value.string_param() : value.bytes_param();
  }
  return content;
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
  auto content = content_of(*request);
  if (!content.ok()) return finish(context, content.status());
  const auto model = model_of(*request);
  if (!model.ok()) return finish(context, model.status());
  Reactor* reactor = context->DefaultReactor();
  const auto done = [=, name = *model](const Status& status) {
    response->set_model_name(name);
    response->set_is_loaded(status.ok());
    reactor->Finish(to_grpc(status));
  };
  load_model(repository_, deployments_, *model, std::move(*content), done);
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelUnload(
    Context* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse* response) {
  UnloadOptions options;
  for (const auto& [name, value] : request->parameters()) {
    const bool flag = value.bool_param();
    const Status understood =
        set_unload_parameter(name, value.has_bool_param() ? &flag : nullptr, options);
    if (!understood.ok()) return finish(context, understood);
  }
  const auto model = model_of(*request);
  if (!model.ok()) return finish(context, model.status());
  Reactor* reactor = context->DefaultReactor();
  repository_.unload(*model, options.with_parts, [=, name = *model](const Status& status) {
    response->set_model_name(name);
    response->set_is_unloaded(status.ok());
    reactor->Finish(to_grpc(status));
  });
  return reactor;
}

}  // namespace inferd::serve
