// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/infer_stream.h"

#include <utility>

#include "daemon/serve/client.h"
#include "daemon/serve/grpc/call_context.h"

namespace inferd::serve {
namespace {

constexpr int kMaxOnTheirWay = 64;

bool asks_for_grpc_errors(const grpc::CallbackServerContext& context) {
  const auto header = context.client_metadata().find("triton_grpc_error");
  return header != context.client_metadata().end() && header->second == "true";
}

}  // namespace

InferStream::InferStream(grpc::CallbackServerContext& context, const Callers& callers,
                         const models::Repository& repository, const SharedMemory& memory,
                         int64_t max_bytes)
    : context_(context),
      caller_(callers, context),
      repository_(repository),
      memory_(memory),
      max_bytes_(max_bytes),
      ends_on_error_(asks_for_grpc_errors(context)) {
  const std::lock_guard lock(mutex_);
  go_on();
}

void InferStream::OnReadDone(bool ok) {
  ExchangePtr exchange;
  {
    const std::lock_guard lock(mutex_);
    if (!ok) no_more_reads_ = true;
    if (ok && !stopping_) {
      exchange = arriving_;
      exchange->bytes = static_cast<int64_t>(exchange->request.ByteSizeLong());
      ++on_their_way_;
      bytes_ += exchange->bytes;
    }
  }
  // Without the lock: a request that is refused is answered here.
  if (exchange != nullptr) start(exchange);
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    arriving_ = nullptr;
    over = go_on();
  }
  if (over) finish();
}

void InferStream::start(const ExchangePtr& exchange) {
  auto call = decode_call(exchange->request, caller_, repository_, memory_);
  if (!call.ok()) return answer(exchange, {call.status(), {}, {}});
  exchange->call = std::move(*call);
  schedule::Request work = make_request(exchange->call, deadline_ns(context_));
  work.id = exchange->request.id();
  work.client = client_called(context_.peer());
  // Safe until the call is finished, and it is not before `done`.
  work.cancelled = [this] { return stopping_ || context_.IsCancelled(); };
  work.done = [this, exchange](const schedule::Outcome& outcome) { answer(exchange, outcome); };
  count(caller_.count(), work);
  exchange->call->model->queue->submit(std::move(work));
}

void InferStream::answer(const ExchangePtr& exchange, const schedule::Outcome& outcome) {
  inference::ModelInferResponse& response = *exchange->response.mutable_infer_response();
  response.set_id(exchange->request.id());
  // Models give one answer, so each is the last one of its request.
  (*response.mutable_parameters())["triton_final_response"].set_bool_param(true);
  Status status = outcome.status;
  if (status.ok()) {
    const InferCall& call = *exchange->call;
    status = encode_outputs(outcome.outputs, call.outputs, *call.model, response);
  }
  if (!status.ok()) {
    response.clear_outputs();
    response.clear_raw_output_contents();
    exchange->response.set_error_message(status.message());
  }
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    if (!status.ok() && ends_on_error_ && !stopping_.exchange(true)) end_ = to_grpc(status);
    if (stopping_) {
      release(*exchange);
    } else {
      answers_.push_back(exchange);
    }
    over = go_on();
  }
  if (over) finish();
}

void InferStream::release(const Exchange& exchange) {
  --on_their_way_;
  bytes_ -= exchange.bytes;
}

void InferStream::OnWriteDone(bool ok) {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    release(*answers_.front());
    answers_.pop_front();
    if (!ok) stopping_ = true;
    over = go_on();
  }
  if (over) finish();
}

void InferStream::OnCancel() {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    over = go_on();
  }
  if (over) finish();
}

bool InferStream::go_on() {
  if (finished_) return false;
  if (!writing_ && !answers_.empty()) {
    writing_ = true;
    StartWrite(&answers_.front()->response);
  }
  if (no_more_reads_ || stopping_) {
    finished_ = on_their_way_ == 0;
    return finished_;
  }
  if (arriving_ == nullptr && on_their_way_ < kMaxOnTheirWay && bytes_ < max_bytes_) {
    arriving_ = std::make_shared<Exchange>();
    StartRead(&arriving_->request);
  }
  return false;
}

}  // namespace inferd::serve
