// SPDX-License-Identifier: Apache-2.0
//
// What is served over HTTP, and to whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "daemon/serve/http/http_server.h"
#include "daemon/serve/http/routes.h"
#include "inferd/v1/deployment.pb.h"
#include "inferd/v1/host.pb.h"
#include "inferd/v1/pipeline.pb.h"
#include "tests/unit/serve/server_fixture.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpRoutes : public ::testing::Test {
 protected:
  // The server's answer to one request, over a connection of its own.
  std::string ask(const std::string& method, const std::string& path,
                  const std::string& type = "") const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n" +
        (type.empty() ? "" : "Content-Type: " + type + "\r\n") + "Content-Length: 0\r\n\r\n";
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<size_t>(n));
    ::close(fd);
    return answer;
  }

  // Serves all routes to peers with these roles; empty: to none that has any.
  void serve(const std::vector<std::string>& roles) {
    config_.http = {{}};
    config_.http[0].address = "unix:" + path_;
    config_.http[0].allow = {{.roles = {"admin"}, .users = {std::to_string(::getuid() + 1)}}};
    if (!roles.empty()) config_.http[0].allow.push_back({.roles = roles, .everyone = true});
    server_.reset();
    server_ = *HttpServer::start(config_, all_routes(backend_));
  }

  // With something in place of each capture.
  static std::string path_of(const Route& route) {
    std::string path;
    bool in_name = false;
    for (const char c : route.pattern) {
      if (c == '{') path += 'x';
      in_name = (in_name || c == '{') && c != '}';
      if (!in_name && c != '}') path += c;
    }
    return path;
  }
  static std::string method_of(const Route& route) {
    return std::string(method_name(route.method));
  }
  std::string ask(const Route& route) const {
    return ask(method_of(route), path_of(route), route.takes);
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("h");
  config::ServerConfig config_;
  FakeRepository repository_;
  NoPipelines pipelines_;
  SharedMemory memory_{{.enabled = true}};
  Backend backend_{config_, repository_, pipelines_, memory_, "1"};
  std::unique_ptr<HttpServer> server_;
};

// The only ones that need nothing: health, and what a page needs to ask for a token.
bool is_for_everybody(const Route& route) {
  return route.pattern.starts_with("/v2/health/") || route.pattern.ends_with("/ready") ||
         route.pattern == "/" || route.pattern.starts_with("/ui") ||
         route.pattern == "/inferd/whoami";
}

// Of our own services, what everybody who observes may call; of infer, only Ask is one.
bool only_looks(const std::string& name) {
  for (const char* call : {"ListPipelines", "Snapshot", "/Watch", "ListDeployments", "ShowModel",
                           "WatchDeployment", "ShowHost"}) {
    if (name.ends_with(call)) return true;
  }
  return name.starts_with("GET /live/");
}
bool is_of_services(const std::string& name) { return name.find("/inferd.v1.") != name.npos; }

TEST_F(HttpRoutes, WithoutARoleOnlyHealthAndThePageAreThere) {
  serve({});
  for (const Route& route : all_routes(backend_)) {
    const std::string answer = ask(route);
    if (is_for_everybody(route)) {
      EXPECT_THAT(answer, testing::Not(StartsWith("HTTP/1.1 403"))) << route.pattern;
    } else {
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 ")) << route.pattern;
      EXPECT_THAT(answer, HasSubstr(method_of(route) + " " + route.pattern + " needs the role"));
    }
  }
}

TEST_F(HttpRoutes, EachRoleMayDoItsShare) {
  // Besides health and what any role may ask.
  const std::set<std::string> infer = {"POST /inferd.v1.PipelineService/Ask",
                                       "PUT /inferd.v1.PipelineService/Ask",
                                       "POST /v2/models/{model}/infer",
                                       "POST /v2/models/{model}/versions/{version}/infer",
                                       "POST /v2/systemsharedmemory/region/{region}/register",
                                       "POST /v2/systemsharedmemory/region/{region}/unregister",
                                       "POST /v2/systemsharedmemory/unregister",
                                       "POST /v2/cudasharedmemory/region/{region}/register",
                                       "POST /v2/cudasharedmemory/region/{region}/unregister",
                                       "POST /v2/cudasharedmemory/unregister"};
  const std::set<std::string> observe = {"GET /v2/models/stats",
                                         "GET /v2/models/{model}/stats",
                                         "GET /v2/models/{model}/versions/{version}/stats",
                                         "POST /v2/repository/index",
                                         "POST /v2/repository/{repository}/index",
                                         "GET /v2/logging",
                                         "GET /v2/trace/setting",
                                         "GET /v2/models/{model}/trace/setting",
                                         "GET /metrics"};
  const std::set<std::string> admin = {"POST /v2/repository/models/{model}/load",
                                       "POST /v2/repository/{repository}/models/{model}/load",
                                       "POST /v2/repository/models/{model}/unload",
                                       "POST /v2/repository/{repository}/models/{model}/unload",
                                       "POST /v2/logging",
                                       "POST /v2/trace/setting",
                                       "POST /v2/models/{model}/trace/setting"};
  std::set<std::string> seen;
  for (const std::string role : {"infer", "observe"}) {
    serve({role});
    for (const Route& route : all_routes(backend_)) {
      const std::string name = method_of(route) + " " + route.pattern;
      seen.insert(name);
      const bool denied = ask(route).starts_with("HTTP/1.1 403 ");
      const bool looks = observe.contains(name) || only_looks(name);
      const bool is_others = role == "infer" ? looks : infer.contains(name);
      const bool is_admins = admin.contains(name) ||
                             (is_of_services(name) && !only_looks(name) && !infer.contains(name));
      EXPECT_EQ(denied, is_others || is_admins) << role << ": " << name;
    }
  }
  for (const auto& names : {infer, observe, admin}) {
    for (const std::string& name : names) EXPECT_TRUE(seen.contains(name)) << name;
  }
}

TEST_F(HttpRoutes, AnAdministratorMayDoEverything) {
  repository_.add("x", echo_model([] {}));
  serve({"admin"});
  for (const Route& route : all_routes(backend_)) {
    if (route.pattern.ends_with("/TailLog")) continue;  // it has no end
    EXPECT_THAT(ask(route), testing::Not(StartsWith("HTTP/1.1 403"))) << route.pattern;
  }
}

// Whoever adds a method to a service adds a row here.
TEST_F(HttpRoutes, EveryMethodOfOurServicesIsThereButStreamsOfRequests) {
  std::set<std::string> routes, methods;
  for (const Route& route : all_routes(backend_)) {
    const std::string name = method_of(route) + " " + route.pattern;
    if (is_of_services(name)) routes.insert(name);
  }
  for (const auto* file : {inferd::v1::ListPipelinesRequest::descriptor()->file(),
                           inferd::v1::DeployRequest::descriptor()->file(),
                           inferd::v1::ShowHostRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto* method = file->service(i)->method(j);
        const std::string path = "/" + method->service()->full_name() + "/" + method->name();
        if (!method->client_streaming()) methods.insert("POST " + path);
      }
    }
  }
  methods.insert("PUT /inferd.v1.DeploymentService/Upload");  // a stream of chunks, one by one
  methods.insert("PUT /inferd.v1.PipelineService/Ask");       // the picture as it is
  EXPECT_EQ(routes, methods);
}

}  // namespace
}  // namespace inferd::serve
