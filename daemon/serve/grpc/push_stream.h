// SPDX-License-Identifier: Apache-2.0
//
// One PushFrames call: frames come one after the other, each is answered when nobody needs it any
// more.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/pipeline/pipelines.h"
#include "inferd/v1/pipeline.grpc.pb.h"

namespace inferd::serve {

// A stream has a bounded number of frames, and of their bytes, that were not answered; while it
// has, it does not read, and so the client waits. Pixels stay in the message that brought them.
//
// Owned by who makes it (for gRPC) and by every frame on its way. gRPC calls back on threads of its
// own; frames go on threads of pipelines.
class PushStream final
    : public grpc::ServerBidiReactor<inferd::v1::PushFramesRequest, inferd::v1::PushFramesResponse>,
      public std::enable_shared_from_this<PushStream> {
 public:
  using Reactor =
      grpc::ServerBidiReactor<inferd::v1::PushFramesRequest, inferd::v1::PushFramesResponse>;

  // `max_bytes` are those of frames on their way, of which the last may go beyond it. The pipelines
  // are borrowed while it reads. Not `allowed`: the call ends with that.
  static Reactor* open(pipeline::Pipelines& pipelines, int64_t max_bytes, const Status& allowed);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_ = nullptr; }

 private:
  class Lease;
  struct Token {};  // for open() alone

 public:
  PushStream(Token, pipeline::Pipelines& pipelines, int64_t max_bytes)
      : pipelines_(pipelines), max_bytes_(max_bytes) {}

 private:
  using Message = inferd::v1::PushFramesRequest;

  bool begin(const Message& message);
  void take(std::unique_ptr<Message> message);
  void answer(inferd::v1::PushFramesResponse response, int64_t bytes);
  // By mutex_. Starts the read or the write that may start now. True: the caller must finish() once
  // it has given the mutex back.
  bool go_on();

  pipeline::Pipelines& pipelines_;
  const int64_t max_bytes_;
  std::shared_ptr<PushStream> self_;  // until gRPC is done with it
  std::string source_;                // of the reader

  std::mutex mutex_;
  // All of these by mutex_. `answers_.front()` is being written while writing_.
  std::unique_ptr<Message> arriving_;
  std::deque<inferd::v1::PushFramesResponse> answers_;
  int on_their_way_ = 0;  // frames that are not answered, or whose answers are not written
  int64_t bytes_ = 0;     // of those that are not answered
  bool reading_ = false, writing_ = false, no_more_reads_ = false, stopping_ = false;
  bool finished_ = false;
  grpc::Status end_;
};

}  // namespace inferd::serve
