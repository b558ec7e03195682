// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/caller.h"
#include "daemon/serve/client_counts.h"
#include "daemon/serve/http/infer_body.h"
#include "daemon/serve/http/routes.h"

namespace inferd::serve {
namespace {

// Outputs that outlive the model's run; those that nobody wants are empty.
struct Kept {
  Kept(std::span<const WantedOutput> wanted, std::span<const TensorView> outputs)
      : views(outputs.size()) {
    for (const auto& [index, options] : wanted) {
      const TensorView& view = outputs[index];
      bytes.emplace_back(view.data.begin(), view.data.end());
      // The bytes stay where they are when their vector moves.
      views[index] = {view.dtype, view.shape, bytes.back()};
    }
  }

  std::vector<std::vector<std::byte>> bytes;
  std::vector<TensorView> views;
};

Response answer(const InferBody& body, std::span<const TensorView> outputs) {
  Result<Response> response = encode_infer(body, outputs);
  return response.ok() ? *std::move(response) : error_response(response.status());
}

// By the thread that ran the model, which others wait for: numbers are written as text by one of
// the server's.
Answer answer_to(const std::shared_ptr<const InferBody>& body, const schedule::Outcome& outcome) {
  if (!outcome.status.ok()) return error_response(outcome.status);
  if (!has_json_data(*body)) return answer(*body, outcome.outputs);
  const auto kept = std::make_shared<const Kept>(body->call->outputs, outcome.outputs);
  return [body, kept] { return answer(*body, kept->views); };
}

class HttpCaller final : public models::Caller {
 public:
  explicit HttpCaller(const Request& request) : request_(request) {}
  std::vector<std::string> keys() const override { return caller_keys(peer(), own_name()); }
  std::shared_ptr<ClientCount> count() const {
    return client_counts().of("http", peer(), own_name());
  }

 private:
  Peer peer() const { return request_.peer ? request_.peer() : Peer(); }
  std::string_view own_name() const {
    const std::string* name = request_.header(kClientNameHeader);
    return name == nullptr ? std::string_view() : *name;
  }

  const Request& request_;
};

// OK when the request is on its way to its model, which then calls `done`.
Status infer(const Backend& backend, const std::shared_ptr<const Request>& request,
             const Done& done) {
  const HttpCaller caller(*request);
  const auto find = [&](const schedule::Sequence& sequence) {
    return find_model(backend.repository, request->capture("model"), request->capture("version"),
                      {&caller, &sequence});
  };
  INFERD_ASSIGN_OR_RETURN(BodyLayout layout, body_layout(*request));
  layout.max_json_memory = 2 * backend.config.max_message_bytes;
  INFERD_ASSIGN_OR_RETURN(InferBody decoded,
                          decode_infer(find, backend.memory, request->body, layout));
  const auto body = std::make_shared<const InferBody>(std::move(decoded));
  schedule::Request work = make_request(body->call);
  work.id = body->id;
  work.client = request->client;
  work.cancelled = [request] { return request->client_gone(); };
  // Holds the request, whose body the tensors are in.
  work.done = [request, body, done](const schedule::Outcome& outcome) {
    done(answer_to(body, outcome));
  };
  count(caller.count(), work);
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
  return {{Method::kPost, "/v2/models/{model}/infer", Needs::kInfer, handler},
          {Method::kPost, "/v2/models/{model}/versions/{version}/infer", Needs::kInfer, handler}};
}

}  // namespace inferd::serve
