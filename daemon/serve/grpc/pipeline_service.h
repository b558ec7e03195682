// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/grpc/push_stream.h"
#include "daemon/serve/services/pipeline_calls.h"
#include "inferd/v1/pipeline.grpc.pb.h"

namespace inferd::serve {

// inferd.v1.PipelineService: PipelineCalls, and to push frames, for who may infer. Watchers and who
// waits for a snapshot hold one of gRPC's threads each.
class PipelineService final : public inferd::v1::PipelineService::WithCallbackMethod_PushFrames<
                                  inferd::v1::PipelineService::Service> {
 public:
  // Borrows the pipelines. `config`: how large the frames on their way of one call may be together,
  // and what may be written.
  PipelineService(pipeline::Pipelines& pipelines, const config::ServerConfig& config,
                  Callers callers)
      : pipelines_(pipelines),
        max_pushed_bytes_(config.max_message_bytes),
        callers_(std::move(callers)),
        calls_(pipelines, config.write_pipelines) {}

  using Context = grpc::ServerContext;
  grpc::Status ListPipelines(Context*, const inferd::v1::ListPipelinesRequest*,
                             inferd::v1::ListPipelinesResponse*) override;
  grpc::Status StartPipeline(Context*, const inferd::v1::PipelineRequest*,
                             inferd::v1::PipelineStatus*) override;
  grpc::Status StopPipeline(Context*, const inferd::v1::PipelineRequest*,
                            inferd::v1::PipelineStatus*) override;
  grpc::Status RestartPipeline(Context*, const inferd::v1::PipelineRequest*,
                               inferd::v1::PipelineStatus*) override;
  grpc::Status ReloadPipelines(Context*, const inferd::v1::ReloadPipelinesRequest*,
                               inferd::v1::ListPipelinesResponse*) override;
  grpc::Status CheckPipeline(Context*, const inferd::v1::CheckPipelineRequest*,
                             inferd::v1::CheckPipelineResponse*) override;
  grpc::Status ReadPipeline(Context*, const inferd::v1::ReadPipelineRequest*,
                            inferd::v1::ReadPipelineResponse*) override;
  grpc::Status WritePipeline(Context*, const inferd::v1::WritePipelineRequest*,
                             inferd::v1::WritePipelineResponse*) override;
  grpc::Status Watch(Context*, const inferd::v1::WatchRequest*,
                     grpc::ServerWriter<inferd::v1::FrameResult>*) override;
  PushStream::Reactor* PushFrames(grpc::CallbackServerContext*) override;
  grpc::Status Snapshot(Context*, const inferd::v1::SnapshotRequest*,
                        inferd::v1::SnapshotResponse*) override;
  grpc::Status Ask(Context*, const inferd::v1::AskRequest*, inferd::v1::AskResponse*) override;
  grpc::Status ListCameras(Context*, const inferd::v1::ListCamerasRequest*,
                           inferd::v1::ListCamerasResponse*) override;

 private:
  pipeline::Pipelines& pipelines_;
  const int64_t max_pushed_bytes_;
  const Callers callers_;
  PipelineCalls calls_;
};

}  // namespace inferd::serve
