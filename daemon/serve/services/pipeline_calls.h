// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>

#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/services/asked.h"
#include "inferd/v1/pipeline.pb.h"

namespace inferd::serve {

// What inferd.v1.PipelineService does: to look, for who may observe; to ask about a picture, for
// who may infer; to start, stop and write, for admins. Every call may block. Each watcher, and who
// waits for a snapshot, holds a thread while it waits for results, so their number is bounded.
// Thread-safe.
class PipelineCalls {
 public:
  static constexpr int kMaxWatchers = 32;

  // Borrows the pipelines. `may_write`: files of pipelines may be changed.
  PipelineCalls(pipeline::Pipelines& pipelines, bool may_write)
      : pipelines_(pipelines), may_write_(may_write) {}

  Status list(const Asked& asked, const inferd::v1::ListPipelinesRequest& request,
              inferd::v1::ListPipelinesResponse& response);
  Status start(const Asked& asked, const inferd::v1::PipelineRequest& request,
               inferd::v1::PipelineStatus& response);
  Status stop(const Asked& asked, const inferd::v1::PipelineRequest& request,
              inferd::v1::PipelineStatus& response);
  Status restart(const Asked& asked, const inferd::v1::PipelineRequest& request,
                 inferd::v1::PipelineStatus& response);
  Status reload(const Asked& asked, const inferd::v1::ReloadPipelinesRequest& request,
                inferd::v1::ListPipelinesResponse& response);
  Status check(const Asked& asked, const inferd::v1::CheckPipelineRequest& request,
               inferd::v1::CheckPipelineResponse& response);
  Status read(const Asked& asked, const inferd::v1::ReadPipelineRequest& request,
              inferd::v1::ReadPipelineResponse& response);
  Status write(const Asked& asked, const inferd::v1::WritePipelineRequest& request,
               inferd::v1::WritePipelineResponse& response);
  Status snapshot(const Asked& asked, const inferd::v1::SnapshotRequest& request,
                  inferd::v1::SnapshotResponse& response);
  Status ask(const Asked& asked, const inferd::v1::AskRequest& request,
             inferd::v1::AskResponse& response);
  Status list_cameras(const Asked& asked, const inferd::v1::ListCamerasRequest& request,
                      inferd::v1::ListCamerasResponse& response);

  // Begins before the first result is there. Returns when the pipeline or the caller has gone.
  Status watch(const Asked& asked, const inferd::v1::WatchRequest& request,
               const Answers<inferd::v1::FrameResult>& answers);

 private:
  using Change = Status (pipeline::Pipelines::*)(const std::string& name);
  Status change(const Asked& asked, const char* call, Change how,
                const inferd::v1::PipelineRequest& request, inferd::v1::PipelineStatus& response);

  Status may_write(const std::string& path) const;

  pipeline::Pipelines& pipelines_;
  const bool may_write_;
  std::atomic<int> watchers_{0};
};

}  // namespace inferd::serve
