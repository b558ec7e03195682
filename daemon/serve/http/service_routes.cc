// SPDX-License-Identifier: Apache-2.0
//
// Our own services over HTTP: what gRPC's clients call, for browsers and scripts. The same classes
// do the work; here are only JSON, as protobuf maps it, and threads, as calls may block.
#include <google/protobuf/util/json_util.h>

#include <charconv>

#include "daemon/serve/http/call_threads.h"
#include "daemon/serve/http/pipe.h"
#include "daemon/serve/http/routes.h"
#include "daemon/serve/services/deployment_calls.h"
#include "daemon/serve/services/host_calls.h"
#include "daemon/serve/services/pipeline_calls.h"

namespace inferd::serve {
namespace {

using google::protobuf::Message;

constexpr size_t kMaxJsonBytes = 2 << 20;  // of a request; its message may take many times as much
constexpr int kMaxCalls =
    PipelineCalls::kMaxWatchers + DeploymentCalls::kMaxWaiting + HostCalls::kMaxReaders + 16;
constexpr char kJson[] = "application/json";

// Lives as long as the routes do.
struct Services {
  explicit Services(const Backend& backend)
      : pipelines(backend.pipelines, backend.config.write_pipelines),
        deployments(backend.deployments),
        host(backend.host) {}

  PipelineCalls pipelines;
  DeploymentCalls deployments;
  HostCalls host;
  CallThreads threads{kMaxCalls};  // last: they use the others
};
using SharedServices = std::shared_ptr<Services>;

// What a method does, whatever its messages are.
using Unary = std::function<Status(const Asked&, const Message& request, Message& response)>;
using Streaming =
    std::function<Status(const Asked&, const Message& request, const Answers<Message>&)>;

Status read_json(const std::string& text, Message& message) {
  if (text.empty()) return ok_status();
  if (text.size() > kMaxJsonBytes)
    return resource_exhausted("the request is larger than " + std::to_string(kMaxJsonBytes) +
                              " bytes");
  const auto read = google::protobuf::util::JsonStringToMessage(text, &message);
  if (read.ok()) return ok_status();
  return invalid_argument("the body is no " + message.GetDescriptor()->full_name() +
                          " in JSON: " + std::string(read.message()));
}

// Texts from models and files may be no UTF-8, which JSON cannot have.
Result<std::string> json_of(const Message& message) {
  std::string text;
  const auto written = google::protobuf::util::MessageToJsonString(message, &text);
  if (written.ok()) return text;
  return Status(StatusCode::kInternal,
                "the answer cannot be written as JSON: " + std::string(written.message()));
}

Response response_of(const Status& status, const Message& message) {
  if (!status.ok()) return coded_error(status);
  Result<std::string> text = json_of(message);
  return text.ok() ? json_response(*std::move(text)) : coded_error(text.status());
}

void run(Services& services, const Done& done, std::function<void()> call) {
  if (!services.threads.run(std::move(call)))
    done(coded_error(resource_exhausted("too many calls at once, try again later")));
}

AsyncHandler answer_once(const SharedServices& services, const Message& in, const Message& out,
                         const Unary& call) {
  return
      [&in, &out, services, call](const std::shared_ptr<const Request>& request, const Done& done) {
        run(*services, done, [&in, &out, call, request, done] {
          const std::unique_ptr<Message> asking(in.New()), answering(out.New());
          Status status = read_json(request->body, *asking);
          if (status.ok()) status = call({.roles = request->roles}, *asking, *answering);
          done(response_of(status, *answering));
        });
      };
}

// One stream of answers: its call's thread has it.
class LineWriter {
 public:
  explicit LineWriter(Done done) : done_(std::move(done)) {}

  void begin() {
    if (std::exchange(begun_, true)) return;
    Response response{200, "application/x-ndjson", "", {{"Cache-Control", "no-store"}}};
    response.stream = pipe_->reader();
    done_(std::move(response));
  }
  bool write(const Message& message) {
    const Result<std::string> text = json_of(message);
    return text.ok() && pipe_->write("{\"result\":" + *text + "}\n");
  }
  bool gone() { return pipe_->gone(); }
  // Before the first answer, an error is one of HTTP.
  void end(const Status& status) {
    if (!begun_ && !status.ok()) return done_(coded_error(status));
    begin();
    if (!status.ok()) pipe_->write("{\"error\":" + coded_error(status).body + "}\n");
    pipe_->finish();
  }

 private:
  const Done done_;
  const std::shared_ptr<Pipe> pipe_ = std::make_shared<Pipe>();
  bool begun_ = false;
};

AsyncHandler answer_often(const SharedServices& services, const Message& in,
                          const Streaming& call) {
  return [&in, services, call](const std::shared_ptr<const Request>& request, const Done& done) {
    run(*services, done, [&in, call, request, done] {
      LineWriter lines(done);
      const std::unique_ptr<Message> asking(in.New());
      Status status = read_json(request->body, *asking);
      if (status.ok()) {
        status = call({.roles = request->roles, .cancelled = [&] { return lines.gone(); }}, *asking,
                      {[&] { lines.begin(); }, [&](const Message& m) { return lines.write(m); }});
      }
      lines.end(status);
    });
  };
}

Route route_to(Method method, const std::string& service, const char* name, Needs needs,
               AsyncHandler handler) {
  return {.method = method,
          .pattern = "/inferd.v1." + service + "/" + name,
          .needs = needs,
          .handler = std::move(handler),
          .takes = method == Method::kPut ? "application/octet-stream" : kJson,
          .coded_errors = true};
}

// Routes of the methods of one service.
template <typename Calls>
class Table {
 public:
  Table(SharedServices services, Calls Services::*part, std::string service)
      : services_(std::move(services)), part_(part), service_(std::move(service)) {}

  template <typename In, typename Out>
  void add(const char* name, Needs needs, Status (Calls::*call)(const Asked&, const In&, Out&)) {
    Calls& calls = (*services_).*part_;
    const Unary unary = [&calls, call](const Asked& asked, const Message& in, Message& out) {
      return (calls.*call)(asked, static_cast<const In&>(in), static_cast<Out&>(out));
    };
    routes.push_back(
        route_to(Method::kPost, service_, name, needs,
                 answer_once(services_, In::default_instance(), Out::default_instance(), unary)));
  }

  template <typename In, typename Out>
  void add(const char* name, Needs needs,
           Status (Calls::*call)(const Asked&, const In&, const Answers<Out>&)) {
    Calls& calls = (*services_).*part_;
    const Streaming streaming = [&calls, call](const Asked& asked, const Message& in,
                                               const Answers<Message>& answers) {
      return (calls.*call)(asked, static_cast<const In&>(in), {answers.begin, answers.write});
    };
    routes.push_back(route_to(Method::kPost, service_, name, needs,
                              answer_often(services_, In::default_instance(), streaming)));
  }

  std::vector<Route> routes;

 private:
  const SharedServices services_;
  Calls Services::*const part_;
  const std::string service_;
};

// The bytes of a file, from `offset` on: ?upload=ID&path=PATH&offset=N.
Result<inferd::v1::UploadChunk> chunk_in(const Request& request) {
  inferd::v1::UploadChunk chunk;
  for (const char* name : {"upload", "path", "offset"}) {
    if (request.asked(name) == nullptr)
      return invalid_argument("'?upload=ID&path=PATH&offset=N' lacks '" + std::string(name) + "'");
  }
  const std::string& text = *request.asked("offset");
  int64_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (error != std::errc() || end != text.data() + text.size() || offset < 0)
    return invalid_argument("'offset' must be a number of bytes, not '" + text + "'");
  chunk.set_upload(*request.asked("upload"));
  chunk.set_path(*request.asked("path"));
  chunk.set_offset(offset);
  chunk.set_data(request.body);
  return chunk;
}

AsyncHandler upload(const SharedServices& services) {
  return [services](const std::shared_ptr<const Request>& request, const Done& done) {
    run(*services, done, [services = services.get(), request, done] {
      Result<inferd::v1::UploadChunk> sent = chunk_in(*request);
      if (!sent.ok()) return done(coded_error(sent.status()));
      bool taken = false;
      const auto read = [&](inferd::v1::UploadChunk& chunk) {
        if (std::exchange(taken, true)) return false;
        chunk = std::move(*sent);
        return true;
      };
      inferd::v1::UploadStatus answer;
      const Status status = services->deployments.upload({.roles = request->roles}, read, answer);
      done(response_of(status, answer));
    });
  };
}

// The bytes of a picture, which in JSON would be a third larger: ?pipeline=NAME.
AsyncHandler ask(const SharedServices& services) {
  return [services](const std::shared_ptr<const Request>& request, const Done& done) {
    run(*services, done, [services = services.get(), request, done] {
      const std::string* pipeline = request->asked("pipeline");
      if (pipeline == nullptr)
        return done(coded_error(invalid_argument("'?pipeline=NAME' lacks 'pipeline'")));
      inferd::v1::AskRequest question;
      question.set_pipeline(*pipeline);
      question.set_picture(request->body);
      inferd::v1::AskResponse answer;
      const Status status = services->pipelines.ask({.roles = request->roles}, question, answer);
      done(response_of(status, answer));
    });
  };
}

std::vector<Route> pipeline_service(const SharedServices& services) {
  Table table(services, &Services::pipelines, "PipelineService");
  table.add("ListPipelines", Needs::kObserve, &PipelineCalls::list);
  table.add("StartPipeline", Needs::kAdmin, &PipelineCalls::start);
  table.add("StopPipeline", Needs::kAdmin, &PipelineCalls::stop);
  table.add("RestartPipeline", Needs::kAdmin, &PipelineCalls::restart);
  table.add("ReloadPipelines", Needs::kAdmin, &PipelineCalls::reload);
  table.add("CheckPipeline", Needs::kAdmin, &PipelineCalls::check);
  table.add("ReadPipeline", Needs::kAdmin, &PipelineCalls::read);
  table.add("WritePipeline", Needs::kAdmin, &PipelineCalls::write);
  table.add("Snapshot", Needs::kObserve, &PipelineCalls::snapshot);
  table.add("ListCameras", Needs::kAdmin, &PipelineCalls::list_cameras);
  table.add("Watch", Needs::kObserve, &PipelineCalls::watch);
  table.add("Ask", Needs::kInfer, &PipelineCalls::ask);
  table.routes.push_back(
      route_to(Method::kPut, "PipelineService", "Ask", Needs::kInfer, ask(services)));
  return std::move(table.routes);
}

std::vector<Route> deployment_service(const SharedServices& services) {
  Table table(services, &Services::deployments, "DeploymentService");
  table.add("BeginUpload", Needs::kAdmin, &DeploymentCalls::begin_upload);
  table.add("AbandonUpload", Needs::kAdmin, &DeploymentCalls::abandon_upload);
  table.add("Deploy", Needs::kAdmin, &DeploymentCalls::deploy);
  table.add("ListDeployments", Needs::kObserve, &DeploymentCalls::list);
  table.add("Promote", Needs::kAdmin, &DeploymentCalls::promote);
  table.add("Rollback", Needs::kAdmin, &DeploymentCalls::roll_back);
  table.add("Pin", Needs::kAdmin, &DeploymentCalls::pin);
  table.add("RemoveVersion", Needs::kAdmin, &DeploymentCalls::remove);
  table.add("ShowModel", Needs::kObserve, &DeploymentCalls::show);
  table.add("WatchDeployment", Needs::kObserve, &DeploymentCalls::watch);
  table.routes.push_back(
      route_to(Method::kPut, "DeploymentService", "Upload", Needs::kAdmin, upload(services)));
  return std::move(table.routes);
}

std::vector<Route> host_service(const SharedServices& services) {
  Table table(services, &Services::host, "HostService");
  table.add("ShowHost", Needs::kObserve, &HostCalls::show);
  table.add("ListClients", Needs::kAdmin, &HostCalls::list_clients);
  table.add("TailLog", Needs::kAdmin, &HostCalls::tail_log);
  return std::move(table.routes);
}

// For a page that hides what would be refused.
Response who_am_i(const Backend& backend, const Request& request) {
  nlohmann::ordered_json roles = nlohmann::ordered_json::array();
  for (const auto& [role, name] :
       {std::pair(Role::kInfer, "infer"), std::pair(Role::kObserve, "observe"),
        std::pair(Role::kAdmin, "admin")}) {
    if (request.roles.has(role)) roles.push_back(name);
  }
  Response response = json_response(nlohmann::ordered_json{
      {"roles", roles}, {"token_required", request.takes_tokens}, {"version", backend.version}});
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace

std::vector<Route> service_routes(const Backend& backend) {
  const auto services = std::make_shared<Services>(backend);
  std::vector<Route> routes;
  for (const auto& service : {pipeline_service, deployment_service, host_service}) {
    for (Route& route : service(services)) routes.push_back(std::move(route));
  }
  const SyncHandler who = [&](const Request& request) { return who_am_i(backend, request); };
  routes.push_back({.method = Method::kGet,
                    .pattern = "/inferd/whoami",
                    .needs = Needs::kNothing,
                    .handler = who,
                    .same_origin = true,
                    .coded_errors = true});
  return routes;
}

}  // namespace inferd::serve
