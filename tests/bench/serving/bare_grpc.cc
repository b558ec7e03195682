// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/serving/bare_grpc.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "inferd/client/client.h"
#include "inference/grpc_service.grpc.pb.h"

namespace inferd::bench {
namespace {

using Clock = std::chrono::steady_clock;

class Service final : public inference::GRPCInferenceService::CallbackService {
 public:
  Service(double microseconds, size_t output_bytes)
      : computes_(microseconds), output_(output_bytes, '\0') {}

  // NOLINTBEGIN(readability-identifier-naming): as gRPC names them
  grpc::ServerUnaryReactor* ServerReady(grpc::CallbackServerContext* context,
                                        const inference::ServerReadyRequest*,
                                        inference::ServerReadyResponse* response) override {
    response->set_ready(true);
    return finish(context);
  }
  grpc::ServerUnaryReactor* ServerMetadata(grpc::CallbackServerContext* context,
                                           const inference::ServerMetadataRequest*,
                                           inference::ServerMetadataResponse*) override {
    return finish(context);
  }
  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const inference::ModelInferRequest*,
                                       inference::ModelInferResponse* response) override {
    const auto until = Clock::now() + std::chrono::duration<double, std::micro>(computes_);
    while (Clock::now() < until) {
    }
    auto* output = response->add_outputs();
    output->set_name("y");
    output->set_datatype("UINT8");
    output->add_shape(static_cast<int64_t>(output_.size()));
    response->add_raw_output_contents(output_);
    return finish(context);
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  static grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const double computes_;
  const std::string output_;
};

}  // namespace

int serve_bare_grpc(const std::string& socket, double microseconds, size_t output_bytes) {
  Service service(microseconds, output_bytes);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  server->Wait();
  return 0;
}

Result<BareGrpc> BareGrpc::start(double microseconds, size_t output_bytes) {
  const std::string socket = std::filesystem::temp_directory_path() /
                             ("inferd-bench-" + std::to_string(::getpid()) + ".sock");
  const std::string time = std::to_string(microseconds);
  const std::string bytes = std::to_string(output_bytes);
  const pid_t process = ::fork();
  if (process == 0) {
    ::execl("/proc/self/exe", "serving", "--bare-grpc", socket.c_str(), time.c_str(), bytes.c_str(),
            nullptr);
    ::_exit(127);
  }
  BareGrpc server(socket, process);
  for (int i = 0; i < 100; ++i) {
    if (Client::connect(server.endpoint())->server().ok()) return server;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return unavailable("the bare server does not answer");
}

BareGrpc::BareGrpc(BareGrpc&& other) noexcept
    : socket_(std::move(other.socket_)), process_(std::exchange(other.process_, -1)) {}

BareGrpc::~BareGrpc() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  ::unlink(socket_.c_str());
}

}  // namespace inferd::bench
