// SPDX-License-Identifier: Apache-2.0
//
// How the C++ client connects: what it refuses, and how soon it finds a daemon that came back.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "grpc_health/health.grpc.pb.h"
#include "inferd/client/client.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

using Clock = std::chrono::steady_clock;

// A server that says it serves, and nothing else.
class Server final : public grpc::health::v1::Health::Service {
 public:
  explicit Server(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  grpc::Status Check(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse* response) override {
    const auto name = context->client_metadata().find("inferd-client");
    const bool is_said = name != context->client_metadata().end();
    caller_ = is_said ? std::string(name->second.data(), name->second.size()) : "";
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }

  // What the last one who asked calls itself; read when the call is answered.
  const std::string& caller() const { return caller_; }

 private:
  std::string caller_;
  std::unique_ptr<grpc::Server> server_;
};

TEST(Connect, FindsADaemonThatCameBack) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + folder.file("socket");
  const auto client = Client::connect(address);
  auto server = std::make_unique<Server>(address);
  ASSERT_TRUE(client->healthy().ok());
  for (int i = 0; i < 3; ++i) {
    server.reset();
    // As long as it takes gRPC to try less and less often.
    for (const auto until = Clock::now() + std::chrono::seconds(2); Clock::now() < until;) {
      EXPECT_EQ(client->healthy().status().code(), StatusCode::kUnavailable);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    server = std::make_unique<Server>(address);
    const auto begin = Clock::now();
    while (!client->healthy().ok()) {
      // Some 0.6 s at most on a machine that has nothing else to do; gRPC alone takes 5.
      ASSERT_LT(Clock::now() - begin, std::chrono::seconds(3));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    RecordProperty("found_after_ms_" + std::to_string(i),
                   static_cast<int>((Clock::now() - begin) / std::chrono::milliseconds(1)));
  }
}

TEST(Connect, LooksForADaemonNoLongerThanItLives) {
  const auto begin = Clock::now();
  {
    const auto client = Client::connect("unix:/nonexistent/socket");
    EXPECT_EQ(client->healthy().status().code(), StatusCode::kUnavailable);
  }
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(30));  // it would look for 60
}

TEST(Connect, MayGoAsSoonAsItsCallsAreDone) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + folder.file("socket");
  const Server server(address);
  // gRPC must not find itself with the last hold on a channel, on a thread that the channel waits
  // for: neither where the client goes with the last answer, nor where it cancels.
  for (int i = 0; i < 500; ++i) {
    const bool waits = i % 2 == 0;
    std::atomic<int> answers = 0;
    {
      const auto client = Client::connect(address);
      for (int j = 0; j < 4; ++j) {
        client->infer_async("model", {}, {}, [&](const auto& results) {
          const StatusCode code = results.status().code();
          EXPECT_TRUE(code == StatusCode::kUnimplemented ||
                      (code == StatusCode::kCancelled && !waits))
              << results.status().to_string();
          ++answers;
          answers.notify_one();
        });
      }
      for (int seen = 0; waits && seen < 4; seen = answers) answers.wait(seen);
    }
    EXPECT_EQ(answers, 4);
  }
}

Status refusal(const std::string& endpoint, const ConnectOptions& options) {
  return Client::connect(endpoint, options).status();
}

TEST(Connect, SaysHowEndpointsAreWritten) {
  for (const char* endpoint :
       {"", "/run/inferd/inferd.sock", "http://board:8000", "grpc://board:8001", "board",
        "board:", ":8001", "board:port", "grpcs://board", "unix:", "local:"}) {
    const Status refused = refusal(endpoint, {});
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << endpoint;
    EXPECT_NE(refused.message().find("write unix:PATH"), std::string::npos) << refused.to_string();
    // Without a way to say so, the first call does.
    EXPECT_FALSE(Client::connect(endpoint, 1000)->healthy().ok()) << endpoint;
  }
  for (const char* endpoint : {"unix:/nonexistent", "unix:///nonexistent", "board:8001",
                               "[::1]:8001", "grpcs://board:8001", "local:/nonexistent"})
    EXPECT_TRUE(refusal(endpoint, {}).ok()) << endpoint;
}

TEST(Connect, SaysItsName) {
  const TemporaryFolder folder;
  const std::string address = "unix:" + folder.file("socket");
  const Server server(address);
  ConnectOptions options;
  for (const std::string name : {"", "door"}) {
    options.name = name;
    const auto client = Client::connect(address, options);
    ASSERT_TRUE(client.ok()) << client.status().to_string();
    EXPECT_TRUE((*client)->healthy().ok());
    EXPECT_EQ(server.caller(), name);
  }
  EXPECT_EQ(refusal("local:/run/inferd/local.sock", options).code(), StatusCode::kInvalidArgument);
  options.name = "two words";
  EXPECT_EQ(refusal(address, options).code(), StatusCode::kInvalidArgument);
}

TEST(Connect, RefusesWhatTheEndpointCannotHave) {
  ConnectOptions token;
  token.token = "a-token-that-is-long-enough";
  EXPECT_EQ(refusal("192.0.2.1:8001", token).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("127.0.0.1.example:8001", token).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(refusal("127.0.0.1:8001", token).ok());
  EXPECT_TRUE(refusal("grpcs://192.0.2.1:8001", token).ok());
  EXPECT_EQ(refusal("local:/run/inferd/local.sock", token).code(), StatusCode::kInvalidArgument);
  token.token = "two words";
  EXPECT_EQ(refusal("grpcs://192.0.2.1:8001", token).code(), StatusCode::kInvalidArgument);
  ConnectOptions authority;
  authority.ca = "/nonexistent/ca.pem";
  EXPECT_EQ(refusal("127.0.0.1:8001", authority).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("grpcs://127.0.0.1:8001", authority).code(), StatusCode::kNotFound);
  ConnectOptions half;
  half.certificate = "/nonexistent/cert.pem";
  EXPECT_EQ(refusal("grpcs://127.0.0.1:8001", half).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace inferd
