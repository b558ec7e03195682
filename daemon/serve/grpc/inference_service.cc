// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/inference_service.h"

#include "daemon/serve/client.h"
#include "daemon/serve/grpc/call_context.h"
#include "daemon/serve/grpc/infer_messages.h"
#include "daemon/serve/grpc/infer_stream.h"
#include "daemon/serve/messages.h"

namespace inferd::serve {

grpc::ServerUnaryReactor* InferenceService::ServerLive(Context* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  response->set_live(true);
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(Context* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  response->set_ready(repository_.ready());
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    Context* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  *response = server_metadata(config_, version_);
  return finish(context, ok_status());
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(Context* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  const auto decoded = decode_call(*request, GrpcCaller(callers_, *context), repository_, memory_);
  if (!decoded.ok()) return finish(context, decoded.status());
  const std::shared_ptr<const InferCall>& call = *decoded;

  // gRPC keeps request and response until Finish, so the tensors stay where they are.
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  schedule::Request work = make_request(call, deadline_ns(*context));
  work.id = request->id();
  work.client = client_called(context->peer());
  // Safe until the call is finished, and `done` finishes it.
  work.cancelled = [context] { return context->IsCancelled(); };
  work.done = [=](const schedule::Outcome& outcome) {
    Status status = outcome.status;
    if (status.ok()) {
      response->set_id(request->id());
      status = encode_outputs(outcome.outputs, call->outputs, *call->model, *response);
    }
    reactor->Finish(to_grpc(status));
  };
  count(callers_.count_of(*context), work);
  // One of gRPC's threads may compute, which saves two changes of threads; others go on reading.
  work.run_here = !computes_here_.exchange(true);
  const bool here = work.run_here;
  call->model->queue->submit(std::move(work));
  if (here) computes_here_ = false;
  return reactor;
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
InferenceService::ModelStreamInfer(Context* context) {
  return new InferStream(*context, callers_, repository_, memory_, config_.max_message_bytes);
}

}  // namespace inferd::serve
