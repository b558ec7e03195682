// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/grpc/push_stream.h"
#include "inferd/v1/pipeline.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.PipelineService: to look, for who may observe; to push frames, for who may infer; to
// start and stop, for admins. Each watcher, and who waits for a snapshot, holds one of gRPC's
// threads while it waits for results, so their number is bounded; a slow one only fills its own
// mailbox.
class PipelineService final : public inferd::v1::PipelineService::WithCallbackMethod_PushFrames<
                                  inferd::v1::PipelineService::Service> {
 public:
  static constexpr int kMaxWatchers = 32;

  // Borrows the pipelines. `max_pushed_bytes`: of the frames on their way of one call.
  PipelineService(pipeline::Pipelines& pipelines, int64_t max_pushed_bytes, Callers callers)
      : pipelines_(pipelines), max_pushed_bytes_(max_pushed_bytes), callers_(std::move(callers)) {}

  grpc::Status ListPipelines(grpc::ServerContext*, const inferd::v1::ListPipelinesRequest*,
                             inferd::v1::ListPipelinesResponse*) override;
  grpc::Status StartPipeline(grpc::ServerContext*, const inferd::v1::PipelineRequest*,
                             inferd::v1::PipelineStatus*) override;
  grpc::Status StopPipeline(grpc::ServerContext*, const inferd::v1::PipelineRequest*,
                            inferd::v1::PipelineStatus*) override;
  grpc::Status RestartPipeline(grpc::ServerContext*, const inferd::v1::PipelineRequest*,
                               inferd::v1::PipelineStatus*) override;
  grpc::Status ReloadPipelines(grpc::ServerContext*, const inferd::v1::ReloadPipelinesRequest*,
                               inferd::v1::ListPipelinesResponse*) override;
  grpc::Status CheckPipeline(grpc::ServerContext*, const inferd::v1::CheckPipelineRequest*,
                             inferd::v1::CheckPipelineResponse*) override;
  grpc::Status Watch(grpc::ServerContext*, const inferd::v1::WatchRequest*,
                     grpc::ServerWriter<inferd::v1::FrameResult>*) override;
  PushStream::Reactor* PushFrames(grpc::CallbackServerContext*) override;
  grpc::Status Snapshot(grpc::ServerContext*, const inferd::v1::SnapshotRequest*,
                        inferd::v1::SnapshotResponse*) override;
  grpc::Status ListCameras(grpc::ServerContext*, const inferd::v1::ListCamerasRequest*,
                           inferd::v1::ListCamerasResponse*) override;

 private:
  using Change = Status (pipeline::Pipelines::*)(const std::string& name);
  grpc::Status change(const grpc::ServerContext& context, const char* call, Change how,
                      const inferd::v1::PipelineRequest& request,
                      inferd::v1::PipelineStatus* response);

  pipeline::Pipelines& pipelines_;
  const int64_t max_pushed_bytes_;
  const Callers callers_;
  std::atomic<int> watchers_{0};
};

}  // namespace inferd::serve
