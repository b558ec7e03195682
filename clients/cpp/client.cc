// SPDX-License-Identifier: Apache-2.0
#include "inferd/client/client.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>

#include "clients/cpp/grpc_channel.h"
#include "clients/cpp/local_client.h"
#include "clients/cpp/reconnecting.h"
#include "grpc_health/health.grpc.pb.h"
#include "inferd/v1/pipeline.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"

namespace inferd {
namespace {

Status from_grpc(const grpc::Status& status) {
  if (status.ok()) return ok_status();
  return {static_cast<StatusCode>(status.error_code()), status.error_message()};
}

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

WatchedFrame from_proto(const inferd::v1::FrameResult& f) {
  WatchedFrame frame{f.sequence(), f.dropped(), f.capture_ns(), f.result_ns(),
                     f.width(),    f.height(),  f.frame_name(), {}};
  for (const auto& d : f.detections()) {
    frame.detections.push_back({d.box().x_min(), d.box().y_min(), d.box().x_max(), d.box().y_max(),
                                d.score(), d.class_id(), d.label()});
  }
  return frame;
}

inference::ModelInferRequest infer_request(const std::string& model,
                                           const std::vector<NamedTensor>& inputs,
                                           const InferOptions& options) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  request.set_model_version(options.version);
  for (const NamedTensor& input : inputs) {
    auto* tensor = request.add_inputs();
    tensor->set_name(input.name);
    tensor->set_datatype(std::string(dtype_name(input.tensor.dtype)));
    for (int64_t dim : input.tensor.shape) tensor->add_shape(dim);
    request.add_raw_input_contents(input.tensor.data.data(), input.tensor.data.size());
  }
  for (const std::string& name : options.outputs) request.add_outputs()->set_name(name);
  if (options.priority > 0)
    (*request.mutable_parameters())["priority"].set_int64_param(options.priority);
  return request;
}

// Asynchronous calls whose `done` has not returned.
class OnTheirWay {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int64_t count_ = 0;  // by mutex_
};

class GrpcClient final : public Client {
 public:
  GrpcClient(const std::shared_ptr<grpc::Channel>& channel, const ConnectOptions& options)
      : timeout_ms_(options.timeout_ms),
        authorization_(options.token.empty() ? "" : "Bearer " + options.token),
        inference_(inference::GRPCInferenceService::NewStub(channel)),
        pipelines_(inferd::v1::PipelineService::NewStub(channel)),
        health_(grpc::health::v1::Health::NewStub(channel)),
        reconnecting_(*health_) {}

  // Calls have deadlines, so this ends.
  ~GrpcClient() override { on_their_way_.wait(); }
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
    inference::ModelMetadataRequest request;
    request.set_name(name);
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
    return decode(response);
  }

  void infer_async(const std::string& model, const std::vector<NamedTensor>& inputs,
                   const InferOptions& options, InferDone done) override {
    struct Call {
      grpc::ClientContext context;
      inference::ModelInferRequest request;
      inference::ModelInferResponse response;
    };
    auto* const call = new Call;  // until it ends
    prepare(call->context, options.timeout_ms);
    call->request = infer_request(model, inputs, options);
    on_their_way_.begin();
    inference_->async()->ModelInfer(
        &call->context, &call->request, &call->response,
        [this, call, done = std::move(done)](const grpc::Status& status) {
          std::unique_ptr<Call> mine(call);  // gRPC calls this once
          done(status.ok() ? decode(mine->response) : ended(status));
          // The call holds the channel. It must not be the last to do so: the channel waits for
          // this thread when it goes.
          mine = nullptr;
          on_their_way_.end();
        });
  }

  Result<std::vector<PipelineInfo>> pipelines() override {
    grpc::ClientContext context;
    prepare(context);
    inferd::v1::ListPipelinesResponse response;
    INFERD_RETURN_IF_ERROR(
        ended(pipelines_->ListPipelines(&context, inferd::v1::ListPipelinesRequest(), &response)));
    std::vector<PipelineInfo> list;
    for (const auto& p : response.pipelines()) {
      list.push_back({p.name(), state_name(p.state()), p.reason(), p.source(), p.model(),
                      p.captured(), p.processed(), p.dropped(), p.failed(), p.last_error(),
                      p.captured_fps(), p.processed_fps(), p.latency_median_ms(),
                      p.latency_p99_ms()});
    }
    return list;
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

 private:
  using Inference = inference::GRPCInferenceService::Stub;

  // `timeout_ms` 0: the client's.
  void prepare(grpc::ClientContext& context, int64_t timeout_ms = 0) const {
    const std::chrono::milliseconds timeout(timeout_ms > 0 ? timeout_ms : timeout_ms_);
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    authorize(context);
  }

  void authorize(grpc::ClientContext& context) const {
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
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

  static Result<std::vector<NamedResult>> decode(const inference::ModelInferResponse& response) {
    std::vector<NamedResult> results;
    for (int i = 0; i < response.outputs_size(); ++i) {
      const auto& output = response.outputs(i);
      NamedResult result;
      result.name = output.name();
      const auto dtype = dtype_from_name(output.datatype());
      if (!dtype || i >= response.raw_output_contents_size() || output.shape_size() > kMaxRank) {
        return internal_error("the daemon's answer for output '" + output.name() +
                              "' is not understood");
      }
      result.dtype = *dtype;
      for (int64_t dim : output.shape()) result.shape.push_back(dim);
      const auto bytes = std::as_bytes(std::span(response.raw_output_contents(i)));
      result.data.assign(bytes.begin(), bytes.end());
      results.push_back(std::move(result));
    }
    return results;
  }

  const int64_t timeout_ms_;
  const std::string authorization_;  // what calls say of themselves; "": nothing
  OnTheirWay on_their_way_;
  const std::unique_ptr<Inference> inference_;
  const std::unique_ptr<inferd::v1::PipelineService::Stub> pipelines_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  Reconnecting reconnecting_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::connect(const std::string& endpoint,
                                                const ConnectOptions& options) {
  constexpr std::string_view kLocal = "local:";
  if (!endpoint.starts_with(kLocal)) {
    INFERD_ASSIGN_OR_RETURN(const auto channel, make_channel(endpoint, options));
    return std::unique_ptr<Client>(std::make_unique<GrpcClient>(channel, options));
  }
  if (!(options.ca + options.certificate + options.key + options.token).empty())
    return invalid_argument("the local socket knows neither certificates nor tokens");
  return connect_local(endpoint.substr(kLocal.size()), options.timeout_ms);
}

std::unique_ptr<Client> Client::connect(const std::string& endpoint, int64_t timeout_ms) {
  ConnectOptions options;
  options.timeout_ms = timeout_ms;
  return std::move(connect(endpoint, options).value());  // no options that could be wrong
}

}  // namespace inferd
