// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/pipeline_service.h"

#include "daemon/serve/grpc/asked.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {

grpc::Status PipelineService::ListPipelines(Context* context,
                                            const inferd::v1::ListPipelinesRequest* request,
                                            inferd::v1::ListPipelinesResponse* response) {
  return to_grpc(calls_.list(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::StartPipeline(Context* context,
                                            const inferd::v1::PipelineRequest* request,
                                            inferd::v1::PipelineStatus* response) {
  return to_grpc(calls_.start(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::StopPipeline(Context* context,
                                           const inferd::v1::PipelineRequest* request,
                                           inferd::v1::PipelineStatus* response) {
  return to_grpc(calls_.stop(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::RestartPipeline(Context* context,
                                              const inferd::v1::PipelineRequest* request,
                                              inferd::v1::PipelineStatus* response) {
  return to_grpc(calls_.restart(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::ReloadPipelines(Context* context,
                                              const inferd::v1::ReloadPipelinesRequest* request,
                                              inferd::v1::ListPipelinesResponse* response) {
  return to_grpc(calls_.reload(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::CheckPipeline(Context* context,
                                            const inferd::v1::CheckPipelineRequest* request,
                                            inferd::v1::CheckPipelineResponse* response) {
  return to_grpc(calls_.check(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::ReadPipeline(Context* context,
                                           const inferd::v1::ReadPipelineRequest* request,
                                           inferd::v1::ReadPipelineResponse* response) {
  return to_grpc(calls_.read(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::WritePipeline(Context* context,
                                            const inferd::v1::WritePipelineRequest* request,
                                            inferd::v1::WritePipelineResponse* response) {
  return to_grpc(calls_.write(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::Snapshot(Context* context, const inferd::v1::SnapshotRequest* request,
                                       inferd::v1::SnapshotResponse* response) {
  return to_grpc(calls_.snapshot(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::Ask(Context* context, const inferd::v1::AskRequest* request,
                                  inferd::v1::AskResponse* response) {
  return to_grpc(calls_.ask(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::ListCameras(Context* context,
                                          const inferd::v1::ListCamerasRequest* request,
                                          inferd::v1::ListCamerasResponse* response) {
  return to_grpc(calls_.list_cameras(asked(*context, callers_), *request, *response));
}

grpc::Status PipelineService::Watch(Context* context, const inferd::v1::WatchRequest* request,
                                    grpc::ServerWriter<inferd::v1::FrameResult>* writer) {
  return to_grpc(calls_.watch(asked(*context, callers_), *request, answers_by(*writer)));
}

PushStream::Reactor* PipelineService::PushFrames(grpc::CallbackServerContext* context) {
  return PushStream::open(pipelines_, max_pushed_bytes_,
                          check_role(callers_.roles_of(*context), Role::kInfer, "PushFrames"));
}

}  // namespace inferd::serve
