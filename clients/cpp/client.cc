// SPDX-License-Identifier: Apache-2.0
#include "inferd/client/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>

#include "clients/cpp/grpc_calls.h"
#include "clients/cpp/grpc_channel.h"
#include "clients/cpp/grpc_messages.h"
#include "clients/cpp/grpc_pusher.h"
#include "clients/cpp/grpc_stream.h"
#include "clients/cpp/host.h"
#include "clients/cpp/local_client.h"
#include "clients/cpp/reconnecting.h"
#include "grpc_health/health.grpc.pb.h"
#include "inferd/v1/host.grpc.pb.h"
#include "inferd/v1/pipeline.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"

namespace inferd {
namespace {

TensorInfo tensor_info(const inference::ModelMetadataResponse::TensorMetadata& t) {
  TensorInfo info;
  info.name = t.name();
  info.dtype = dtype_from_name(t.datatype()).value_or(DType::kFloat32);
  for (int i = 0; i < t.shape_size() && i < kMaxRank; ++i) info.shape.push_back(t.shape(i));
  return info;
}

double mean_ms(const inference::StatisticDuration& d) {
  return d.count() == 0 ? 0 : static_cast<double>(d.ns()) * 1e-6 / static_cast<double>(d.count());
}

const char* state_name(inferd::v1::PipelineState state) {
  switch (state) {
    case inferd::v1::PIPELINE_STATE_STOPPED:
      return "stopped";
    case inferd::v1::PIPELINE_STATE_RUNNING:
      return "running";
    case inferd::v1::PIPELINE_STATE_FINISHED:
      return "finished";
    case inferd::v1::PIPELINE_STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

PipelineInfo from_proto(const inferd::v1::PipelineStatus& p) {
  PipelineInfo info{p.name(),
                    state_name(p.state()),
                    p.reason(),
                    p.source(),
                    p.model(),
                    p.captured(),
                    p.processed(),
                    p.dropped(),
                    p.failed(),
                    p.last_error(),
                    p.captured_fps(),
                    p.processed_fps(),
                    p.latency_median_ms(),
                    p.latency_p99_ms(),
                    {}};
  for (const auto& node : p.nodes())
    info.nodes.push_back({node.name(), node.frames(), node.total_ns(), node.node(), node.state(),
                          node.last_error(), node.queued(), node.dropped()});
  info.restarts = p.restarts();
  for (const auto& node : p.graph()) {
    info.graph.push_back({node.name(),
                          node.state(),
                          node.reason(),
                          node.failures(),
                          node.taken(),
                          node.given(),
                          node.queued(),
                          {node.drops().begin(), node.drops().end()},
                          node.fps()});
  }
  return info;
}

// Adds a file to those that the daemon is given. Only what lies beside or below the pipeline's own
// file: no daemon can ask for others.
Status add_file(const std::string& path, inferd::v1::CheckPipelineRequest& request) {
  namespace fs = std::filesystem;
  constexpr std::streamsize kMaxBytes = 1 << 20;
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(fs::absolute(request.path()), error).parent_path();
  const fs::path file = fs::weakly_canonical(fs::absolute(path), error);
  const auto [end, unused] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  if (end != folder.end() || request.files().contains(path)) {
    return invalid_argument("'" + path + "' is included, and not in '" + folder.string() +
                            "': it is not sent to the daemon");
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  stream.read(text.data(), kMaxBytes + 1);
  if (stream.gcount() > kMaxBytes) return invalid_argument("'" + path + "' is larger than 1 MiB");
  if (!stream.eof()) return not_found("cannot read '" + path + "'");
  text.resize(static_cast<size_t>(stream.gcount()));
  (*request.mutable_files())[path] = std::move(text);
  return ok_status();
}

WatchedFrame from_proto(const inferd::v1::FrameResult& f) {
  WatchedFrame frame{f.sequence(), f.dropped(), f.capture_ns(), f.result_ns(),
                     f.width(),    f.height(),  f.frame_name(), {}};
  for (const auto& d : f.detections()) {
    frame.detections.push_back({d.box().x_min(), d.box().y_min(), d.box().x_max(), d.box().y_max(),
                                d.score(), d.class_id(), d.label(), d.track_id()});
    for (const auto& k : d.keypoints())
      frame.detections.back().keypoints.push_back({k.x(), k.y(), k.score()});
    for (const auto& c : d.classes())
      frame.detections.back().classes.push_back({c.class_id(), c.score(), c.label()});
    frame.detections.back().text = d.text();
  }
  for (const auto& c : f.classes()) frame.classes.push_back({c.class_id(), c.score(), c.label()});
  for (const auto& a : f.areas()) frame.areas.push_back({a.class_id(), a.fraction(), a.label()});
  frame.mask = {
      f.mask().width(), f.mask().height(), {f.mask().runs().begin(), f.mask().runs().end()}};
  for (const auto& c : f.counts())
    frame.counts.push_back({c.name(), c.class_id(), c.label(), c.entered(), c.left(), c.inside()});
  for (const auto& v : f.values()) frame.values.push_back({v.name(), v.value()});
  frame.text = f.text();
  frame.node = f.node();
  frame.source = f.source();
  return frame;
}

class GrpcClient final : public Client {
 public:
  GrpcClient(const std::shared_ptr<grpc::Channel>& channel, const ConnectOptions& options)
      : timeout_ms_(options.timeout_ms),
        authorization_(options.token.empty() ? "" : "Bearer " + options.token),
        name_(options.name),
        inference_(inference::GRPCInferenceService::NewStub(channel)),
        pipelines_(inferd::v1::PipelineService::NewStub(channel)),
        hosts_(inferd::v1::HostService::NewStub(channel)),
        health_(grpc::health::v1::Health::NewStub(channel)),
        reconnecting_(*health_) {}

  ~GrpcClient() override { calls_.cancel_and_wait(); }
  GrpcClient(const GrpcClient&) = delete;
  GrpcClient& operator=(const GrpcClient&) = delete;

  Result<ServerInfo> server() override {
    inference::ServerMetadataResponse metadata;
    INFERD_RETURN_IF_ERROR(
        call(&Inference::ServerMetadata, inference::ServerMetadataRequest(), &metadata));
    inference::ServerReadyResponse ready;
    INFERD_RETURN_IF_ERROR(call(&Inference::ServerReady, inference::ServerReadyRequest(), &ready));
    return ServerInfo{metadata.name(), metadata.version(), ready.ready()};
  }

  Result<bool> healthy() override {
    grpc::ClientContext context;
    prepare(context);
    grpc::health::v1::HealthCheckResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(health_->Check(&context, grpc::health::v1::HealthCheckRequest(), &response)));
    return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }

  Result<std::vector<ServedModelInfo>> models() override {
    inference::RepositoryIndexResponse index;
    INFERD_RETURN_IF_ERROR(
        call(&Inference::RepositoryIndex, inference::RepositoryIndexRequest(), &index));
    std::vector<ServedModelInfo> list;
    for (const auto& entry : index.models()) {
      ServedModelInfo info;
      info.name = entry.name();
      if (entry.state() == "READY") {
        INFERD_ASSIGN_OR_RETURN(info, model(entry.name()));
      }
      info.version = entry.version();
      info.state = entry.state();
      info.reason = entry.reason();
      list.push_back(std::move(info));
    }
    return list;
  }

  Result<ServedModelInfo> model(const std::string& name) override {
    INFERD_ASSIGN_OR_RETURN(ServedModelInfo info, metadata(name, ""));
    info.has_labels = has_labels(name);
    return info;
  }

  Result<std::vector<ServedModelStatistics>> statistics() override {
    inference::ModelStatisticsResponse response;
    INFERD_RETURN_IF_ERROR(
        call(&Inference::ModelStatistics, inference::ModelStatisticsRequest(), &response));
    std::vector<ServedModelStatistics> list;
    for (const auto& m : response.model_stats()) {
      const auto& s = m.inference_stats();
      list.push_back({m.name(), m.version(), m.inference_count(), m.execution_count(),
                      s.success().count(), s.fail().count(), mean_ms(s.queue()),
                      mean_ms(s.compute_infer())});
    }
    return list;
  }

  Result<std::vector<NamedResult>> infer(const std::string& model,
                                         const std::vector<NamedTensor>& inputs,
                                         const InferOptions& options) override {
    grpc::ClientContext context;
    prepare(context, options.timeout_ms);
    inference::ModelInferResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(inference_->ModelInfer(&context, infer_request(model, inputs, options), &response)));
    return infer_results(response);
  }

  Result<std::vector<NamedClasses>> classify(const std::string& model,
                                             const std::vector<NamedTensor>& inputs, int top,
                                             const InferOptions& options) override {
    if (top < 1) return invalid_argument("top is " + std::to_string(top) + ", not 1 or more");
    InferOptions wanted = options;
    if (wanted.outputs.empty()) {
      INFERD_ASSIGN_OR_RETURN(const ServedModelInfo info, metadata(model, options.version));
      for (const TensorInfo& output : info.outputs) wanted.outputs.push_back(output.name);
    }
    inference::ModelInferRequest request = infer_request(model, inputs, wanted);
    for (auto& output : *request.mutable_outputs())
      (*output.mutable_parameters())["classification"].set_int64_param(top);
    grpc::ClientContext context;
    prepare(context, options.timeout_ms);
    inference::ModelInferResponse response;
    INFERD_RETURN_IF_ERROR(ended(inference_->ModelInfer(&context, request, &response)));
    return class_results(response);
  }

  Result<std::vector<PipelineInfo>> pipelines() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::ListPipelinesResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(pipelines_->ListPipelines(&context, inferd::v1::ListPipelinesRequest(), &response)));
    std::vector<PipelineInfo> list;
    for (const auto& p : response.pipelines()) list.push_back(from_proto(p));
    return list;
  }

  Result<std::vector<PipelineInfo>> reload_pipelines() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::ListPipelinesResponse response;
    INFERD_RETURN_IF_ERROR(ended(
        pipelines_->ReloadPipelines(&context, inferd::v1::ReloadPipelinesRequest(), &response)));
    std::vector<PipelineInfo> list;
    for (const auto& p : response.pipelines()) list.push_back(from_proto(p));
    return list;
  }

  Result<PipelineCheck> check_pipeline(
      const std::string& path, const std::map<std::string, std::string>& parameters) override {
    inferd::v1::CheckPipelineRequest request;
    request.set_path(path);
    request.mutable_parameters()->insert(parameters.begin(), parameters.end());
    INFERD_RETURN_IF_ERROR(add_file(path, request));
    // Each round brings what the files of the last one include; the daemon bounds their depth.
    for (;;) {
      grpc::ClientContext context;
      prepare(context);
      inferd::v1::CheckPipelineResponse response;
      INFERD_RETURN_IF_ERROR(ended(pipelines_->CheckPipeline(&context, request, &response)));
      if (response.missing_files_size() == 0) {
        return PipelineCheck{
            {response.errors().begin(), response.errors().end()}, response.text(), response.dot()};
      }
      for (const std::string& missing : response.missing_files())
        INFERD_RETURN_IF_ERROR(add_file(missing, request));
    }
  }

  Result<PipelineInfo> change_pipeline(const std::string& name, PipelineChange change) override {
    using Stub = inferd::v1::PipelineService::Stub;
    constexpr auto kCalls = std::array{&Stub::StartPipeline, &Stub::StopPipeline,
                                       &Stub::RestartPipeline};  // by PipelineChange
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::PipelineRequest request;
    request.set_pipeline(name);
    inferd::v1::PipelineStatus response;
    const auto call = kCalls[static_cast<size_t>(change)];
    INFERD_RETURN_IF_ERROR(ended((pipelines_.get()->*call)(&context, request, &response)));
    return from_proto(response);
  }

  Result<std::vector<CameraInfo>> cameras() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::ListCamerasResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(pipelines_->ListCameras(&context, inferd::v1::ListCamerasRequest(), &response)));
    std::vector<CameraInfo> cameras;
    for (const auto& camera : response.cameras()) {
      CameraInfo& info =
          cameras.emplace_back(CameraInfo{camera.source(), camera.id(), camera.model(), {}});
      for (const auto& mode : camera.modes())
        info.modes.push_back({mode.format(), mode.width(), mode.height()});
    }
    return cameras;
  }

  Status watch(const std::string& pipeline,
               const std::function<bool(const WatchedFrame&)>& on_frame) override {
    grpc::ClientContext context;
    authorize(context);
    inferd::v1::WatchRequest request;
    request.set_pipeline(pipeline);
    const auto reader = pipelines_->Watch(&context, request);
    inferd::v1::FrameResult message;
    while (reader->Read(&message)) {
      if (on_frame(from_proto(message))) continue;
      context.TryCancel();
      reader->Finish();
      return ok_status();
    }
    return ended(reader->Finish());
  }

  Result<std::unique_ptr<FramePusher>> pusher(const std::string& source) override {
    return std::unique_ptr<FramePusher>(std::make_unique<GrpcPusher>(
        *pipelines_, source, [this](grpc::ClientContext& context) { authorize(context); },
        [this](const grpc::Status& status) { return ended(status); }));
  }

  Result<Snapshot> snapshot(const std::string& pipeline, const SnapshotOptions& options) override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::SnapshotRequest request;
    request.set_pipeline(pipeline);
    request.set_node(options.node);
    request.set_plain(options.plain);
    request.set_quality(options.quality);
    inferd::v1::SnapshotResponse response;
    INFERD_RETURN_IF_ERROR(ended(pipelines_->Snapshot(&context, request, &response)));
    return Snapshot{{response.jpeg().begin(), response.jpeg().end()},
                    from_proto(response.result())};
  }

  Result<std::vector<WatchedFrame>> ask(const std::string& pipeline,
                                        std::span<const uint8_t> picture) override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::AskRequest request;
    request.set_pipeline(pipeline);
    request.set_picture(picture.data(), picture.size());
    inferd::v1::AskResponse response;
    INFERD_RETURN_IF_ERROR(ended(pipelines_->Ask(&context, request, &response)));
    std::vector<WatchedFrame> results;
    for (const auto& result : response.results()) results.push_back(from_proto(result));
    return results;
  }

  Result<HostInfo> host() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::Host response;
    INFERD_RETURN_IF_ERROR(
        ended(hosts_->ShowHost(&context, inferd::v1::ShowHostRequest(), &response)));
    return inferd::from_proto(response);
  }

  Result<std::vector<ClientInfo>> clients() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::ListClientsResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(hosts_->ListClients(&context, inferd::v1::ListClientsRequest(), &response)));
    return inferd::from_proto(response);
  }

 protected:
  std::function<void()> start(const std::string& model, const std::vector<NamedTensor>& inputs,
                              const InferOptions& options, InferDone done) override {
    struct Call {
      grpc::ClientContext context;
      inference::ModelInferRequest request;
      inference::ModelInferResponse response;
    };
    auto call = std::make_shared<Call>();
    prepare(call->context, options.timeout_ms);
    call->request = infer_request(model, inputs, options);
    const std::weak_ptr<grpc::ClientContext> context(
        std::shared_ptr<grpc::ClientContext>(call, &call->context));
    Call& c = *call;  // until it ends
    const uint64_t number = calls_.begin(context);
    inference_->async()->ModelInfer(
        &c.context, &c.request, &c.response,
        [this, number, mine = std::move(call),
         done = std::move(done)](const grpc::Status& status) mutable {
          done(status.ok() ? infer_results(mine->response) : ended(status));
          // The call holds the channel. It must not be the last to do so: the channel waits for
          // this thread when it goes.
          mine = nullptr;
          calls_.end(number);
        });
    return [context] {
      if (const auto still_there = context.lock()) still_there->TryCancel();
    };
  }

  std::unique_ptr<Stream> open_stream(const StreamOptions& options) override {
    return std::make_unique<GrpcStream>(
        *inference_, options, timeout_ms_,
        [this](grpc::ClientContext& context) { authorize(context); },
        [this](const grpc::Status& status) { return ended(status); });
  }

 private:
  using Inference = inference::GRPCInferenceService::Stub;

  Result<ServedModelInfo> metadata(const std::string& name, const std::string& version) {
    inference::ModelMetadataRequest request;
    request.set_name(name);
    request.set_version(version);
    inference::ModelMetadataResponse response;
    INFERD_RETURN_IF_ERROR(call(&Inference::ModelMetadata, request, &response));
    ServedModelInfo info;
    info.name = response.name();
    info.version = response.versions_size() > 0 ? response.versions(0) : "";
    info.state = "READY";
    info.platform = response.platform();
    for (const auto& t : response.inputs()) info.inputs.push_back(tensor_info(t));
    for (const auto& t : response.outputs()) info.outputs.push_back(tensor_info(t));
    return info;
  }

  // False also where the server does not tell.
  bool has_labels(const std::string& name) {
    inference::ModelConfigRequest request;
    request.set_name(name);
    inference::ModelConfigResponse response;
    if (!call(&Inference::ModelConfig, request, &response).ok()) return false;
    const auto& outputs = response.config().output();
    return std::any_of(outputs.begin(), outputs.end(),
                       [](const auto& output) { return !output.label_filename().empty(); });
  }

  // `timeout_ms` 0: the client's.
  void prepare(grpc::ClientContext& context, int64_t timeout_ms = 0) const {
    const std::chrono::milliseconds timeout(timeout_ms > 0 ? timeout_ms : timeout_ms_);
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    authorize(context);
  }

  void authorize(grpc::ClientContext& context) const {
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
    if (!name_.empty()) context.AddMetadata("inferd-client", name_);
  }

  // Every call ends here.
  Status ended(const grpc::Status& status) {
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) reconnecting_.look();
    return from_grpc(status);
  }

  template <typename Request, typename Response>
  Status call(grpc::Status (Inference::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request, Response* response) {
    grpc::ClientContext context;
    prepare(context);
    return ended((inference_.get()->*method)(&context, request, response));
  }

  const int64_t timeout_ms_;
  const std::string authorization_, name_;  // what calls say of themselves; "": nothing
  GrpcCalls calls_;
  const std::unique_ptr<Inference> inference_;
  const std::unique_ptr<inferd::v1::PipelineService::Stub> pipelines_;
  const std::unique_ptr<inferd::v1::HostService::Stub> hosts_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  Reconnecting reconnecting_;
};

constexpr std::string_view kLocal = "local:";

bool is_host_and_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const std::string_view port = text.substr(colon + 1);
  return text.find('/') == std::string_view::npos &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Status check_endpoint(std::string_view endpoint) {
  constexpr std::string_view kUnix = "unix:", kTls = "grpcs://";
  for (const std::string_view begin : {kUnix, kLocal}) {
    if (endpoint.starts_with(begin) && endpoint.size() > begin.size()) return ok_status();
  }
  if (is_host_and_port(endpoint.starts_with(kTls) ? endpoint.substr(kTls.size()) : endpoint))
    return ok_status();
  return invalid_argument("endpoint '" + std::string(endpoint) +
                          "': write unix:PATH, HOST:PORT, grpcs://HOST:PORT or local:PATH");
}

Result<std::unique_ptr<Client>> make_client(const std::string& endpoint,
                                            const ConnectOptions& options) {
  if (!endpoint.starts_with(kLocal)) {
    INFERD_ASSIGN_OR_RETURN(const auto channel, make_channel(endpoint, options));
    return std::unique_ptr<Client>(std::make_unique<GrpcClient>(channel, options));
  }
  if (!(options.ca + options.certificate + options.key + options.token).empty())
    return invalid_argument("the local socket knows neither certificates nor tokens");
  if (!options.name.empty())
    return invalid_argument("the local socket knows clients by their users, not by names");
  return connect_local(endpoint.substr(kLocal.size()), options.timeout_ms);
}

}  // namespace

InferFuture Client::infer_async(const std::string& model, const std::vector<NamedTensor>& inputs,
                                const InferOptions& options) {
  return InferFuture(
      [&](InferDone done) { return start(model, inputs, options, std::move(done)); });
}

void Client::infer_async(const std::string& model, const std::vector<NamedTensor>& inputs,
                         const InferOptions& options, InferDone done) {
  start(model, inputs, options, std::move(done));
}

Result<std::unique_ptr<Stream>> Client::stream(const StreamOptions& options) {
  constexpr int kMost = 65'536;
  if (options.max_in_flight < 1 || options.max_in_flight > kMost) {
    return invalid_argument("max_in_flight of a stream is " +
                            std::to_string(options.max_in_flight) + ", not from 1 to " +
                            std::to_string(kMost));
  }
  return open_stream(options);
}

Result<std::unique_ptr<Client>> Client::connect(const std::string& endpoint,
                                                const ConnectOptions& options) {
  INFERD_RETURN_IF_ERROR(check_endpoint(endpoint));
  return make_client(endpoint, options);
}

std::unique_ptr<Client> Client::connect(const std::string& endpoint, int64_t timeout_ms) {
  ConnectOptions options;
  options.timeout_ms = timeout_ms;
  return std::move(make_client(endpoint, options).value());  // no options that could be wrong
}

}  // namespace inferd
