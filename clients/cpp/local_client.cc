// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/local_client.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "clients/cpp/local_in_flight.h"
#include "clients/cpp/local_pipelines.h"
#include "clients/cpp/local_session.h"
#include "clients/cpp/local_stream.h"

namespace inferd {
namespace {

Status only_over_grpc(const char* what) {
  return unimplemented(
      std::string("the local socket runs models, takes frames and gives results: for ") + what +
      ", connect to the daemon's gRPC endpoint, unix:/run/inferd/inferd.sock "
      "unless its server.grpc says otherwise");
}

class LocalClient final : public Client {
 public:
  LocalClient(std::string path, int64_t timeout_ms)
      : path_(std::move(path)),
        timeout_ms_(timeout_ms),
        in_flight_(std::make_shared<LocalInFlight>(path_)) {}
  ~LocalClient() override { in_flight_->close(); }
  LocalClient(const LocalClient&) = delete;
  LocalClient& operator=(const LocalClient&) = delete;

  Result<ServerInfo> server() override {
    INFERD_ASSIGN_OR_RETURN(const auto list, listing());
    const bool ready = std::ranges::all_of(
        list, [](const ServedModelInfo& model) { return model.state == "READY"; });
    return with_session<ServerInfo>([&](LocalSession& session) -> Result<ServerInfo> {
      return ServerInfo{"inferd", session.connection().version(), ready};
    });
  }

  Result<bool> healthy() override {
    INFERD_RETURN_IF_ERROR(listing().status());
    return true;
  }

  Result<std::vector<ServedModelInfo>> models() override {
    INFERD_ASSIGN_OR_RETURN(auto list, listing());
    for (ServedModelInfo& info : list) {
      if (info.state != "READY") continue;
      INFERD_ASSIGN_OR_RETURN(ServedModelInfo described, model(info.name));
      info.inputs = std::move(described.inputs);
      info.outputs = std::move(described.outputs);
    }
    return list;
  }

  Result<ServedModelInfo> model(const std::string& name) override {
    return with_session<ServedModelInfo>([&](LocalSession& session) -> Result<ServedModelInfo> {
      LocalConnection& connection = session.connection();
      INFERD_RETURN_IF_ERROR(connection.unbind(name, 0));  // the newest may be another one now
      INFERD_ASSIGN_OR_RETURN(const auto bound, connection.bind(name, 0));
      ServedModelInfo info;
      info.name = name;
      info.version = std::to_string(bound->handle->version);
      info.state = "READY";
      info.inputs = bound->inputs;
      info.outputs = bound->outputs;
      return info;
    });
  }

  Result<std::vector<NamedResult>> infer(const std::string& model,
                                         const std::vector<NamedTensor>& inputs,
                                         const InferOptions& options) override {
    INFERD_ASSIGN_OR_RETURN(const int64_t number, parse_version(options.version));
    const TimeLimit limit = limit_of(options);
    using Results = std::vector<NamedResult>;
    const auto once = [&](LocalSession& session) -> Result<Results> {
      INFERD_ASSIGN_OR_RETURN(const auto bound, session.connection().bind(model, number));
      return session.run(bound, inputs, options, limit);
    };
    return with_session<Results>([&](LocalSession& session) -> Result<Results> {
      auto results = once(session);
      const bool unloaded = results.status().code() == StatusCode::kUnavailable;
      if (!unloaded || !session.is_connected()) return results;
      // Another version may have come.
      INFERD_RETURN_IF_ERROR(session.connection().unbind(model, number));
      return once(session);
    });
  }

  Result<std::vector<NamedClasses>> classify(const std::string&, const std::vector<NamedTensor>&,
                                             int, const InferOptions&) override {
    return only_over_grpc("classes with labels");
  }
  Result<std::vector<ServedModelStatistics>> statistics() override {
    return only_over_grpc("statistics");
  }
  Result<std::vector<PipelineInfo>> pipelines() override { return only_over_grpc("pipelines"); }
  Result<std::vector<PipelineInfo>> reload_pipelines() override {
    return only_over_grpc("pipelines");
  }
  Result<PipelineCheck> check_pipeline(const std::string&,
                                       const std::map<std::string, std::string>&) override {
    return only_over_grpc("pipelines");
  }
  Result<PipelineInfo> change_pipeline(const std::string&, PipelineChange) override {
    return only_over_grpc("pipelines");
  }
  Status watch(const std::string& pipeline,
               const std::function<bool(const WatchedFrame&)>& on_frame) override {
    return watch_local(path_, pipeline, on_frame);
  }
  Result<std::unique_ptr<FramePusher>> pusher(const std::string& source) override {
    return push_local(path_, source);
  }
  Result<Snapshot> snapshot(const std::string&, const SnapshotOptions&) override {
    return only_over_grpc("snapshots");
  }
  Result<std::vector<WatchedFrame>> ask(const std::string&, std::span<const uint8_t>) override {
    return only_over_grpc("questions about pictures");
  }
  Result<HostInfo> host() override { return only_over_grpc("the host"); }
  Result<std::vector<ClientInfo>> clients() override { return only_over_grpc("clients"); }
  Result<std::vector<CameraInfo>> cameras() override { return only_over_grpc("cameras"); }

 protected:
  std::function<void()> start(const std::string& model, const std::vector<NamedTensor>& inputs,
                              const InferOptions& options, InferDone done) override {
    const uint64_t number =
        in_flight_->start(model, inputs, options, limit_of(options), std::move(done));
    return [number, in_flight = std::weak_ptr(in_flight_)] {
      if (const auto still_there = in_flight.lock()) still_there->cancel(number);
    };
  }

  std::unique_ptr<Stream> open_stream(const StreamOptions& options) override {
    return std::make_unique<LocalStream>(path_, options, timeout_ms_);
  }

 private:
  // Calls with a session that nobody else uses, and once more with a new one when that was kept
  // from earlier and the daemon has gone meanwhile.
  template <typename T, typename Call>
  Result<T> with_session(const Call& call) {
    if (auto session = take_idle()) {
      Result<T> result = call(*session);
      const bool answered = session->is_connected();
      keep(std::move(session));
      if (answered) return result;
    }
    INFERD_ASSIGN_OR_RETURN(auto session, LocalSession::open(path_));
    Result<T> result = call(*session);
    keep(std::move(session));
    return result;
  }

  TimeLimit limit_of(const InferOptions& options) const {
    return TimeLimit(options.timeout_ms > 0 ? options.timeout_ms : timeout_ms_);
  }

  std::unique_ptr<LocalSession> take_idle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }

  void keep(std::unique_ptr<LocalSession> session) {
    if (!session->is_reusable()) return;
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(session));
  }

  Result<std::vector<ServedModelInfo>> listing() {
    using List = std::vector<ServedModelInfo>;
    return with_session<List>([&](LocalSession& session) -> Result<List> {
      List list;
      for (;;) {
        ServedModelInfo info;
        INFERD_ASSIGN_OR_RETURN(
            const bool found, session.connection().list(static_cast<uint32_t>(list.size()), info));
        if (!found) return list;
        list.push_back(std::move(info));
      }
    });
  }

  const std::string path_;
  const int64_t timeout_ms_;
  const std::shared_ptr<LocalInFlight> in_flight_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<LocalSession>> idle_;  // by mutex_
};

}  // namespace

std::unique_ptr<Client> connect_local(const std::string& path, int64_t timeout_ms) {
  return std::make_unique<LocalClient>(path, timeout_ms);
}

}  // namespace inferd
