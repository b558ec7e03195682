// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "inferd/client/push.h"
#include "inferd/v1/pipeline.grpc.pb.h"

namespace inferd {

// One PushFrames call; a thread of its own takes the answers.
class GrpcPusher final : public FramePusher {
 public:
  using Ended = std::function<Status(const grpc::Status&)>;

  // `prepare` is called once, with the call's context; `ended` with its end.
  GrpcPusher(inferd::v1::PipelineService::Stub& stub, const std::string& source,
             const std::function<void(grpc::ClientContext&)>& prepare, Ended ended);
  ~GrpcPusher() override;
  GrpcPusher(const GrpcPusher&) = delete;
  GrpcPusher& operator=(const GrpcPusher&) = delete;

  Result<uint64_t> push(const PushFrame& frame) override;
  Result<PushAnswer> answer(int64_t timeout_ms) override;

 private:
  void read();

  const Ended ended_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<inferd::v1::PushFramesRequest, inferd::v1::PushFramesResponse>>
      call_;
  uint64_t last_ = 0;                  // of who pushes, as what follows
  inferd::v1::PushFramesRequest out_;  // kept from one frame to the next

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PushAnswer> answers_;  // by mutex_, as what follows
  bool over_ = false;
  Status end_;
  std::thread reader_;
};

}  // namespace inferd
