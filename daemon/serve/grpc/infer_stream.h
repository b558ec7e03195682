// SPDX-License-Identifier: Apache-2.0
//
// One ModelStreamInfer call: requests come one after the other, answers go as they get ready.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/grpc/infer_messages.h"
#include "inference/grpc_service.grpc.pb.h"

namespace inferd::serve {

// A stream has a bounded number of requests, and of their bytes, on their way from the network to
// the model and back; while it has, it does not read, and so the client waits. An error is an
// answer (`error_message`) and the stream goes on; for a client that sends the header
// `triton_grpc_error: true`, the first error ends the stream with its status, once what runs is
// done.
//
// Deletes itself when the call is over. gRPC calls back on threads of its own, never from within
// StartRead, StartWrite or Finish; answers come on threads of the models' queues.
class InferStream final : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                         inference::ModelStreamInferResponse> {
 public:
  // All are borrowed; `max_bytes` are those of requests on their way, of which the last may go
  // beyond it.
  InferStream(grpc::CallbackServerContext& context, const Callers& callers,
              const models::Repository& repository, const SharedMemory& memory, int64_t max_bytes);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  // A request and its answer, together from the one's arrival until the other is written.
  struct Exchange {
    inference::ModelInferRequest request;
    inference::ModelStreamInferResponse response;
    std::shared_ptr<const InferCall> call;
    int64_t bytes = 0;
  };
  using ExchangePtr = std::shared_ptr<Exchange>;

  void start(const ExchangePtr& exchange);
  void answer(const ExchangePtr& exchange, const schedule::Outcome& outcome);
  void release(const Exchange& exchange);  // by mutex_

  // By mutex_. Starts the read or the write that may start now. True: the caller must finish()
  // once it has given the mutex back, and touch nothing afterwards.
  bool go_on();
  void finish() { Finish(end_); }

  grpc::CallbackServerContext& context_;
  const GrpcCaller caller_;
  const models::Repository& repository_;
  const SharedMemory& memory_;
  const int64_t max_bytes_;
  const bool ends_on_error_;
  std::atomic<bool> stopping_ = false;  // nobody waits for answers that are not there yet

  std::mutex mutex_;
  // All of these by mutex_. `answers_.front()` is being written while writing_.
  ExchangePtr arriving_;  // being read or on its way to the queue, so that none overtakes another
  std::deque<ExchangePtr> answers_;
  int on_their_way_ = 0;  // requests that were read and whose answers are not written
  int64_t bytes_ = 0;     // of those
  bool writing_ = false, no_more_reads_ = false, finished_ = false;
  grpc::Status end_;
};

}  // namespace inferd::serve
