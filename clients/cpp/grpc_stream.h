// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "clients/cpp/stream_answers.h"
#include "inference/grpc_service.grpc.pb.h"

namespace inferd {

// A ModelStreamInfer call. While receive() lags behind by as many answers as requests may be on
// their way, none is read, and so the server waits.
class GrpcStream final : public Stream,
                         private grpc::ClientBidiReactor<inference::ModelInferRequest,
                                                         inference::ModelStreamInferResponse> {
 public:
  // `authorize` prepares the call's context; `ended` is told how it ended, in a thread of gRPC's.
  GrpcStream(inference::GRPCInferenceService::Stub& stub, const StreamOptions& options,
             int64_t timeout_ms, const std::function<void(grpc::ClientContext&)>& authorize,
             std::function<Status(const grpc::Status&)> ended);
  ~GrpcStream() override;
  GrpcStream(const GrpcStream&) = delete;
  GrpcStream& operator=(const GrpcStream&) = delete;

  Result<uint64_t> send(const std::string& model, const std::vector<NamedTensor>& inputs,
                        const InferOptions& options) override;
  Result<StreamAnswer> receive(int64_t timeout_ms) override;
  void finish() override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  // By mutex_: start what may be started now.
  void read();
  void write();
  // Lets the call end; nothing is started any more.
  void let_go();

  grpc::ClientContext context_;
  const std::function<Status(const grpc::Status&)> ended_;
  StreamAnswers answers_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // By mutex_ all of these.
  std::deque<inference::ModelInferRequest> requests_;  // the first is being sent while writing_
  inference::ModelStreamInferResponse arriving_;       // while reading_
  bool reading_ = false, writing_ = false;
  bool finished_ = false;       // no more requests follow,
  bool said_finished_ = false;  // and the server was told
  bool held_ = true;            // the call does not end, and so anything may be started
  bool done_ = false;           // gRPC knows this no more
};

}  // namespace inferd
