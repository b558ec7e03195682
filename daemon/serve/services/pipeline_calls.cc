// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/services/pipeline_calls.h"

#include <algorithm>
#include <sstream>

#include "daemon/serve/services/pipeline_messages.h"
#include "daemon/serve/services/pipeline_text.h"
#include "daemon/serve/services/seat.h"

namespace inferd::serve {
namespace {

void add_lines(const std::string& text, google::protobuf::RepeatedPtrField<std::string>* out) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out->Add(std::move(line));
}

Status too_many_watchers() {
  return resource_exhausted("there are " + std::to_string(PipelineCalls::kMaxWatchers) +
                            " watchers already");
}

}  // namespace

Status PipelineCalls::list(const Asked& asked, const inferd::v1::ListPipelinesRequest&,
                           inferd::v1::ListPipelinesResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kObserve, "ListPipelines"));
  for (const auto& status : pipelines_.list()) fill(status, response.add_pipelines());
  return ok_status();
}

Status PipelineCalls::reload(const Asked& asked, const inferd::v1::ReloadPipelinesRequest&,
                             inferd::v1::ListPipelinesResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "ReloadPipelines"));
  INFERD_RETURN_IF_ERROR(pipelines_.reload());
  for (const auto& status : pipelines_.list()) fill(status, response.add_pipelines());
  return ok_status();
}

// Stages and sinks may open files that the pipeline names: for admins.
Status PipelineCalls::check(const Asked& asked, const inferd::v1::CheckPipelineRequest& request,
                            inferd::v1::CheckPipelineResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "CheckPipeline"));
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const auto file = request.files().find(path);
    if (file != request.files().end()) return file->second;
    response.add_missing_files(path);
    return not_found("cannot open '" + path + "'");
  };
  const auto drawing = pipelines_.check(
      request.path(), {request.parameters().begin(), request.parameters().end()}, read);
  if (response.missing_files_size() > 0) return ok_status();
  if (drawing.ok()) {
    response.set_text(drawing->text);
    response.set_dot(drawing->dot);
  }
  add_lines(drawing.status().message(), response.mutable_errors());
  return ok_status();
}

// The file may hold passwords of cameras and brokers: for admins.
Status PipelineCalls::read(const Asked& asked, const inferd::v1::ReadPipelineRequest& request,
                           inferd::v1::ReadPipelineResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "ReadPipeline"));
  INFERD_ASSIGN_OR_RETURN(const pipeline::PipelineFile file,
                          pipelines_.file_of(request.pipeline()));
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_pipeline_text(file.path));
  const Status writable = may_write(file.path);
  response.set_path(file.path);
  response.set_text(text);
  response.set_revision(revision_of(text));
  response.set_writable(writable.ok());
  response.set_why_not(writable.message());
  response.mutable_parameters()->insert(file.parameters.begin(), file.parameters.end());
  return ok_status();
}

Status PipelineCalls::may_write(const std::string& path) const {
  if (may_write_) return check_writable(path);
  return failed_precondition(
      "files of pipelines are only read: 'write_pipelines: true' under 'server' in the daemon's "
      "configuration would allow to write them");
}

Status PipelineCalls::write(const Asked& asked, const inferd::v1::WritePipelineRequest& request,
                            inferd::v1::WritePipelineResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "WritePipeline"));
  INFERD_ASSIGN_OR_RETURN(const pipeline::PipelineFile file,
                          pipelines_.file_of(request.pipeline()));
  INFERD_RETURN_IF_ERROR(may_write(file.path));
  const Status written = pipelines_.reload(
      {file.path, request.text(),
       [&] { return replace_pipeline_text(file.path, request.text(), request.revision()); }});
  if (written.code() == StatusCode::kInvalidArgument) {
    add_lines(written.message(), response.mutable_errors());
    // What is no YAML is an error where the configuration names the file, too.
    for (std::string& line : *response.mutable_errors()) {
      const size_t place = line.find(file.path + ":");
      if (place != std::string::npos) line.erase(0, place);
    }
    return ok_status();
  }
  INFERD_RETURN_IF_ERROR(written);
  response.set_revision(revision_of(request.text()));
  return ok_status();
}

Status PipelineCalls::change(const Asked& asked, const char* call, Change how,
                             const inferd::v1::PipelineRequest& request,
                             inferd::v1::PipelineStatus& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, call));
  INFERD_RETURN_IF_ERROR((pipelines_.*how)(request.pipeline()));
  INFERD_ASSIGN_OR_RETURN(const pipeline::PipelineStatus status,
                          pipelines_.status(request.pipeline()));
  fill(status, &response);
  return ok_status();
}

Status PipelineCalls::start(const Asked& asked, const inferd::v1::PipelineRequest& request,
                            inferd::v1::PipelineStatus& response) {
  return change(asked, "StartPipeline", &pipeline::Pipelines::start, request, response);
}

Status PipelineCalls::stop(const Asked& asked, const inferd::v1::PipelineRequest& request,
                           inferd::v1::PipelineStatus& response) {
  return change(asked, "StopPipeline", &pipeline::Pipelines::stop, request, response);
}

Status PipelineCalls::restart(const Asked& asked, const inferd::v1::PipelineRequest& request,
                              inferd::v1::PipelineStatus& response) {
  return change(asked, "RestartPipeline", &pipeline::Pipelines::restart, request, response);
}

Status PipelineCalls::watch(const Asked& asked, const inferd::v1::WatchRequest& request,
                            const Answers<inferd::v1::FrameResult>& answers) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kObserve, "Watch"));
  const Seat seat(watchers_, kMaxWatchers);
  if (!seat.ok()) return too_many_watchers();
  const size_t capacity = request.buffer() == 0 ? 16 : std::min<size_t>(request.buffer(), 1000);
  INFERD_ASSIGN_OR_RETURN(const auto subscription,
                          pipelines_.subscribe(request.pipeline(), capacity));
  answers.begin();
  inferd::v1::FrameResult message;
  // A client that has gone must not hold its place while no frames come.
  while (!asked.cancelled() && !subscription->ended()) {
    const auto result = subscription->next(kCheckCallerMs);
    if (result == nullptr) continue;
    message.Clear();
    fill(*result, &message);
    message.set_dropped(subscription->dropped());
    if (!answers.write(message)) break;
  }
  return ok_status();
}

Status PipelineCalls::snapshot(const Asked& asked, const inferd::v1::SnapshotRequest& request,
                               inferd::v1::SnapshotResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kObserve, "Snapshot"));
  const Seat seat(watchers_, kMaxWatchers);
  if (!seat.ok()) return too_many_watchers();
  constexpr int64_t kUsualMs = 5'000, kLongestMs = 60'000;
  pipeline::SnapshotOptions options;
  options.node = request.node();
  options.plain = request.plain();
  options.quality = request.quality() == 0 ? 90 : request.quality();
  options.timeout_ms = request.timeout_ms() == 0 ? kUsualMs : request.timeout_ms();
  if (options.quality < 1 || options.quality > 100 || options.timeout_ms < 1)
    return invalid_argument("a snapshot has a quality from 1 to 100 and a timeout above 0");
  options.timeout_ms = std::min({options.timeout_ms, kLongestMs, asked.left_ms});
  INFERD_ASSIGN_OR_RETURN(const auto snapshot, pipelines_.snapshot(request.pipeline(), options));
  response.set_jpeg(snapshot.jpeg.data(), snapshot.jpeg.size());
  fill(snapshot.result, response.mutable_result());
  return ok_status();
}

Status PipelineCalls::ask(const Asked& asked, const inferd::v1::AskRequest& request,
                          inferd::v1::AskResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kInfer, "Ask"));
  constexpr int64_t kUsualMs = 10'000, kLongestMs = 60'000;
  if (request.picture().empty()) return invalid_argument("there is no picture");
  if (request.timeout_ms() < 0) return invalid_argument("a question's timeout is above 0");
  const int64_t wanted_ms = request.timeout_ms() == 0 ? kUsualMs : request.timeout_ms();
  const std::string& picture = request.picture();
  INFERD_ASSIGN_OR_RETURN(
      const auto results,
      pipelines_.ask(request.pipeline(),
                     {.encoded = {reinterpret_cast<const uint8_t*>(picture.data()), picture.size()},
                      .timeout_ms = std::min({wanted_ms, kLongestMs, asked.left_ms})}));
  for (const auto& result : results) fill(result, response.add_results());
  return ok_status();
}

// Opens devices: for admins.
Status PipelineCalls::list_cameras(const Asked& asked, const inferd::v1::ListCamerasRequest&,
                                   inferd::v1::ListCamerasResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "ListCameras"));
  INFERD_ASSIGN_OR_RETURN(const auto cameras, pipeline::list_cameras());
  for (const pipeline::CameraInfo& camera : cameras) {
    auto* out = response.add_cameras();
    out->set_source(camera.source);
    out->set_id(camera.id);
    out->set_model(camera.model);
    for (const pipeline::CameraMode& mode : camera.modes) {
      auto* m = out->add_modes();
      m->set_format(mode.format);
      m->set_width(mode.width);
      m->set_height(mode.height);
    }
  }
  return ok_status();
}

}  // namespace inferd::serve
