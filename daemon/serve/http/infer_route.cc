// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/infer_body.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

// OK when the request is on its way to its model, which then calls `done`.
Status infer(const Backend& backend, const std::shared_ptr<const Request>& request,
             const Done& done) {
  INFERD_ASSIGN_OR_RETURN(auto model, find_model(backend.repository, request->capture("model"),
                                                 request->capture("version")));
  INFERD_ASSIGN_OR_RETURN(BodyLayout layout, body_layout(*request));
  layout.max_json_memory = 2 * backend.max_body_bytes;
  INFERD_ASSIGN_OR_RETURN(InferBody decoded, decode_infer(std::move(model), request->body, layout));
  const auto body = std::make_shared<const InferBody>(std::move(decoded));
  schedule::Request work = make_request(body->call);
  work.cancelled = [request] { return request->client_gone(); };
  // Holds the request, whose body the tensors are in.
  work.done = [request, body, done](const schedule::Outcome& outcome) {
    done(outcome.status.ok() ? encode_infer(*body, outcome.outputs)
                             : error_response(outcome.status));
  };
  body->call->model->queue->submit(std::move(work));
  return ok_status();
}

}  // namespace

std::vector<Route> infer_routes(const Backend& backend) {
  const AsyncHandler handler = [&](const std::shared_ptr<const Request>& request,
                                   const Done& done) {
    if (const Status status = infer(backend, request, done); !status.ok())
      done(error_response(status));
  };
  return {{Method::kPost, "/v2/models/{model}/infer", handler},
          {Method::kPost, "/v2/models/{model}/versions/{version}/infer", handler}};
}

}  // namespace inferd::serve
