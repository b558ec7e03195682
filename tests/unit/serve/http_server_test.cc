// SPDX-License-Identifier: Apache-2.0
//
// The server over a real socket, spoken to byte by byte.
#include "daemon/serve/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <mutex>
#include <thread>

#include "daemon/serve/http/encoding.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kMaxBody = 1 << 20;

// A connection whose answers are read as they come.
class Client {
 public:
  explicit Client(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  // False: the server has closed.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // What has come until `end` did; all when the server has closed.
  std::string read_until(const std::string& end) {
    std::string text;
    char byte = 0;
    while (!text.ends_with(end) && ::recv(fd_, &byte, 1, 0) == 1) text += byte;
    return text;
  }
  char read_byte() const {
    char byte = 0;
    EXPECT_EQ(::recv(fd_, &byte, 1, 0), 1);
    return byte;
  }
  // By the other side; reads nothing.
  void wait_until_closed() const {
    pollfd state{fd_, 0, 0};
    ::poll(&state, 1, -1);
  }
  std::string read_all() { return read_until("no answer has this in it"); }

 private:
  int fd_ = -1;
  bool connected_ = false;
};

std::string get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n";
}
std::string post(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path +
         " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config::HttpListener listener;
    listener.address = "unix:" + path_;
    listener.timeout_s = 1;
    listener.max_connections = 20;
    start(listener);
  }

  static config::ServerConfig with(const config::HttpListener& listener) {
    config::ServerConfig config;
    config.http = {listener};
    config.max_message_bytes = kMaxBody;
    config.accept_compression = true;
    return config;
  }
  void start(const config::HttpListener& listener) {
    auto server = HttpServer::start(with(listener), routes());
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
  }

  std::vector<Route> routes() {
    return {
        {Method::kGet, "/hello/{name}", Needs::kNothing, SyncHandler([](const Request& r) {
           return Response{200, "text/plain", r.capture("name")};
         })},
        {Method::kPost, "/size", Needs::kNothing, SyncHandler([](const Request& r) {
           return Response{200, "text/plain", std::to_string(r.body.size())};
         })},
        {Method::kPost, "/echo", Needs::kNothing,
         AsyncHandler([](const auto& request, const Done& done) {
           std::thread([=] { done(Response{200, "text/plain", request->body}); }).detach();
         })},
        {Method::kGet, "/now", Needs::kNothing, AsyncHandler([](const auto&, const Done& done) {
           done(Response{200, "text/plain", "at once"});
         })},
        {Method::kGet, "/wait", Needs::kNothing,
         AsyncHandler([this](const auto& request, const Done& done) {
           waiting_.set_value({request, done});
         })},
        {Method::kGet, "/later", Needs::kNothing, AsyncHandler([](const auto&, const Done& done) {
           std::thread([=] {
             done([worker = std::this_thread::get_id()] {
               const bool same = std::this_thread::get_id() == worker;
               return Response{200, "text/plain", same ? "by the worker" : "by the server"};
             });
           }).detach();
         })},
        {Method::kGet, "/secret", Needs::kInfer, SyncHandler([](const Request& r) {
           return Response{200, "text/plain", "client " + std::to_string(r.client)};
         })},
        {Method::kPost, "/secret", Needs::kAdmin, SyncHandler([](const Request&) {
           return Response{200, "text/plain", "changed"};
         })},
        {Method::kGet, "/stream", Needs::kNothing,
         SyncHandler([this](const Request&) { return stream(); })},
        {Method::kGet, "/large", Needs::kNothing, SyncHandler([](const Request&) {
           return Response{200, "text/plain", std::string(64 << 20, 'x')};
         })},
    };
  }

  // What say() is given, until it is "end".
  Response stream() {
    Response response;
    response.stream = Stream{[this](Wake wake) {
                               const std::lock_guard lock(mutex_);
                               wake_ = std::move(wake);
                             },
                             [this](std::span<char> out) {
                               const std::lock_guard lock(mutex_);
                               if (said_ == "end") return Chunk{0, true};
                               const size_t bytes = said_.copy(out.data(), out.size());
                               said_.erase(0, bytes);
                               return Chunk{bytes, false};
                             }};
    return response;
  }
  void say(const std::string& text) {
    const std::lock_guard lock(mutex_);
    said_ = text;
    wake_();  // under the lock that `pull` takes
  }

  struct Waiting {
    std::shared_ptr<const Request> request;
    Done done;
  };
  std::promise<Waiting> waiting_;
  std::mutex mutex_;
  std::string said_;
  Wake wake_;
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("h");
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOneRequestAfterTheOther) {
  Client client(path_);
  client.send(get("/hello/a%20b"));
  const std::string first = client.read_until("a b");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("Content-Type: text/plain\r\n"));
  client.send(post("/size", "123"));
  EXPECT_THAT(client.read_until("\r\n\r\n3"), HasSubstr("Content-Length: 1\r\n"));
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Client client(path_);
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += post("/echo", "echo" + std::to_string(i) + ";");
    requests += get("/hello/hello" + std::to_string(i) + ";");
  }
  client.send(requests);
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK"));
    EXPECT_EQ(client.read_until(";"), "echo" + std::to_string(i) + ";");
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK"));
    EXPECT_EQ(client.read_until(";"), "hello" + std::to_string(i) + ";");
  }
}

TEST_F(HttpServerTest, AHeadHasTheLengthAndNoBody) {
  Client client(path_);
  client.send("HEAD /hello/abc HTTP/1.1\r\nHost: test\r\n\r\n" + get("/hello/next"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(client.read_until("next"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, UnknownPathsAndWrongMethodsAreSaid) {
  Client client(path_);
  client.send(get("/nothing") + post("/hello/x", "a body") + get("/size") + get("/hello/done"));
  EXPECT_THAT(client.read_until("}"), HasSubstr(R"({"error":"there is nothing at '/nothing'"})"));
  const std::string wrong = client.read_until("}");
  EXPECT_THAT(wrong, HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(wrong, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(client.read_until("}"), HasSubstr("takes POST, not GET"));
  EXPECT_THAT(client.read_until("done"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, BodiesMayBeAsLargeAsAllowedAndNotLarger) {
  Client client(path_);
  client.send(post("/size", std::string(kMaxBody, 'x')));
  EXPECT_THAT(client.read_until("1048576"), HasSubstr("200 OK"));
  client.send(post("/size", std::string(kMaxBody + 1, 'x')));
  EXPECT_THAT(client.read_until("}"), HasSubstr("413 "));
  // The connection is as good as before.
  client.send(get("/hello/again"));
  EXPECT_THAT(client.read_until("again"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, ChunkedBodiesAreLimitedToo) {
  Client client(path_);
  const std::string head = "POST /size HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  client.send(head);
  for (int i = 0; i < 2; ++i) client.send(chunk);
  client.send("0\r\n\r\n");
  EXPECT_THAT(client.read_until("131072"), HasSubstr("200 OK"));
  client.send(head);
  for (int i = 0; i < 17; ++i) client.send(chunk);
  client.send("0\r\n\r\n");
  EXPECT_THAT(client.read_until("}"), HasSubstr("413 "));
  // One without end is not read forever.
  client.send(head);
  int sent = 0;
  while (sent < 1000 && client.send(chunk)) ++sent;
  EXPECT_LT(sent, 200);
}

TEST_F(HttpServerTest, WhoAsksBeforeSendingIsToldAtOnce) {
  Client client(path_);
  client.send(
      "POST /size HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  Client other(path_);
  other.send("POST /size HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(other.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  other.send("x");
  EXPECT_THAT(other.read_until("\r\n\r\n1"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, AHeadWithoutEndIsRefused) {
  Client client(path_);
  client.send("GET /hello/x HTTP/1.1\r\nHost: t\r\n");
  for (int i = 0; i < 2000 && client.send("X-Header: " + std::string(100, 'x') + "\r\n"); ++i) {
  }
  EXPECT_THAT(client.read_all(), testing::AnyOf("", StartsWith("HTTP/1.1 431 ")));
}

TEST_F(HttpServerTest, ManyWaitForAnswersAndNoThreadWaitsForThem) {
  Client waiting(path_);
  waiting.send(get("/wait"));
  const Waiting held = waiting_.get_future().get();
  EXPECT_FALSE(held.request->client_gone());
  Client other(path_);
  for (int i = 0; i < 10; ++i) {
    other.send(get("/now"));
    EXPECT_THAT(other.read_until("at once"), HasSubstr("200 OK"));
  }
  held.done(Response{200, "text/plain", "finally"});
  EXPECT_THAT(waiting.read_until("finally"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, AClientThatGoesIsNoticedWhileItsRequestWaits) {
  auto client = std::make_unique<Client>(path_);
  client->send(get("/wait"));
  const Waiting held = waiting_.get_future().get();
  client.reset();
  while (!held.request->client_gone()) std::this_thread::yield();
  held.done(Response{200, "text/plain", "to nobody"});
  Client other(path_);
  other.send(get("/hello/others"));
  EXPECT_THAT(other.read_until("others"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, AStreamSendsWhatThereIsWhenThereIsSomething) {
  Client client(path_);
  client.send(get("/stream"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  say("one");
  EXPECT_EQ(client.read_until("one"), "3\r\none");
  say("two");
  EXPECT_EQ(client.read_until("two"), "\r\n3\r\ntwo");
  say("end");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "\r\n0\r\n\r\n");
  client.send(get("/hello/after"));
  EXPECT_THAT(client.read_until("after"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, AStreamWhoseClientHasGoneMayStillBeWoken) {
  {
    Client client(path_);
    client.send(get("/stream"));
    client.read_until("\r\n\r\n");
  }
  for (int i = 0; i < 1000; ++i) say("to nobody");
}

TEST_F(HttpServerTest, ASilentClientIsLeft) {
  Client client(path_);
  EXPECT_EQ(client.read_all(), "");
  Client begun(path_);
  begun.send("GET /hello/x HT");
  begun.read_all();
}

TEST_F(HttpServerTest, ASlowClientIsLeftThoughItIsNeverSilent) {
  Client client(path_);
  const auto begin = std::chrono::steady_clock::now();
  const std::string head = "GET /hello/x HTTP/1.1\r\nHost: test\r\nX-Long: ";
  bool open = client.send(head);
  // Well within the time of a silence, for ever.
  for (int i = 0; i < 300 && open; ++i) {
    open = client.send("x");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_FALSE(open);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(HttpServerTest, AClientThatDoesNotTakeItsAnswerIsLeft) {
  Client client(path_);
  client.send(get("/large"));
  client.wait_until_closed();
  // What lay in buffers can still be read.
  EXPECT_LT(client.read_all().size(), 32U << 20);
}

TEST_F(HttpServerTest, ConnectionsAreLimited) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(std::make_unique<Client>(path_));
  // Those beyond the limit wait to be accepted until others go.
  for (auto& client : clients) {
    client->send(get("/hello/served", "Connection: close\r\n"));
    EXPECT_THAT(client->read_all(), HasSubstr("served"));
    client.reset();
  }
}

TEST_F(HttpServerTest, AShutdownWaitsForAnswersAndRefusesTheRest) {
  Client waiting(path_);
  waiting.send(get("/wait"));
  const Waiting held = waiting_.get_future().get();
  Client idle(path_);
  idle.send(get("/hello/before"));
  idle.read_until("before");
  Client streaming(path_);
  streaming.send(get("/stream"));
  streaming.read_until("\r\n\r\n");

  auto stopping = std::async(std::launch::async, [&] { server_->shut_down(60'000); });
  EXPECT_EQ(streaming.read_until("0\r\n\r\n"), "0\r\n\r\n");
  idle.send(get("/hello/after"));
  const std::string refused = idle.read_all();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refused, HasSubstr("Connection: close\r\n"));
  EXPECT_FALSE(Client(path_).connected());
  held.done(Response{200, "text/plain", "the last"});
  EXPECT_THAT(waiting.read_all(), HasSubstr("the last"));
  stopping.get();
}

TEST_F(HttpServerTest, AnAnswerMayBeMadeByAThreadOfTheServer) {
  Client client(path_);
  client.send(get("/later"));
  EXPECT_THAT(client.read_until("server"), HasSubstr("by the server"));
}

// What clients send compressed is what the route gets.
TEST_F(HttpServerTest, CompressedBodiesAreUnpacked) {
  const std::string body(100'000, 'x');
  Client client(path_);
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate}) {
    const std::string header = "Content-Encoding: " + std::string(encoding_name(encoding)) + "\r\n";
    client.send(post("/size", *packed(body, encoding), header));
    EXPECT_THAT(client.read_until("100000"), StartsWith("HTTP/1.1 200 OK"));
  }
  client.send(post("/size", body, "Content-Encoding: identity\r\n"));
  EXPECT_THAT(client.read_until("100000"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, CompressedBodiesAreLimitedAsUnpacked) {
  const std::string gzip = "Content-Encoding: gzip\r\n";
  const std::string bomb = *packed(std::string(64 * kMaxBody, '\0'), Encoding::kGzip);
  Client client(path_);
  client.send(post("/size", *packed(std::string(kMaxBody, 'x'), Encoding::kGzip), gzip));
  EXPECT_THAT(client.read_until("1048576"), StartsWith("HTTP/1.1 200 OK"));
  client.send(post("/size", *packed(std::string(kMaxBody + 1, 'x'), Encoding::kGzip), gzip));
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 413 "));
  // Far beyond, and small itself.
  client.send(post("/size", bomb, gzip));
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 413 "));
  client.send(get("/hello/again"));
  EXPECT_THAT(client.read_until("again"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, CompressedBodiesThatAreNoneAreRefused) {
  const std::string body = *packed(std::string(1000, 'x'), Encoding::kGzip);
  const std::pair<std::string, const char*> cases[] = {
      {body.substr(0, body.size() - 1), "ends too early"},
      {"", "ends too early"},
      {body + "x", "has something behind its end"},
      {"no gzip at all", "is malformed"}};
  for (const auto& [text, message] : cases) {
    Client client(path_);
    client.send(post("/size", text, "Content-Encoding: gzip\r\n"));
    const std::string answer = client.read_until("}");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(answer, HasSubstr(message));
  }
  Client client(path_);
  client.send(post("/size", body, "Content-Encoding: br\r\n"));
  const std::string answer = client.read_until("}");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(answer, HasSubstr("Accept-Encoding: gzip, deflate\r\n"));
}

TEST_F(HttpServerTest, AnswersAreCompressedForWhoAsks) {
  const auto answer = [&](const std::string& header) {
    Client client(path_);
    client.send(post("/echo", std::string(5000, 'x'), "Connection: close\r\n" + header));
    return client.read_all();
  };
  EXPECT_THAT(answer(""), HasSubstr("Content-Length: 5000\r\n"));
  const std::string smaller = answer("Accept-Encoding: br, gzip\r\n");
  EXPECT_THAT(smaller, HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_THAT(smaller, HasSubstr("Vary: Accept-Encoding\r\n"));
  EXPECT_LT(smaller.size(), 1000U);
  std::string text;
  Unpacker unpacker(Encoding::kGzip);
  const std::string body = smaller.substr(smaller.find("\r\n\r\n") + 4);
  const Status unpacked = unpacker.add(body, [&](std::string_view piece) {
    text += piece;
    return true;
  });
  EXPECT_TRUE(unpacked.ok() && unpacker.finish().ok()) << unpacked.to_string();
  EXPECT_EQ(text, std::string(5000, 'x'));
}

TEST_F(HttpServerTest, WithoutTheSwitchNothingIsCompressed) {
  server_.reset();
  config::HttpListener listener;
  listener.address = "unix:" + path_;
  config::ServerConfig config = with(listener);
  config.accept_compression = false;
  server_ = *HttpServer::start(config, routes());
  Client client(path_);
  client.send(
      post("/size", *packed(std::string(100, 'x'), Encoding::kGzip), "Content-Encoding: gzip\r\n"));
  const std::string refused = client.read_until("}");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(refused, HasSubstr("accept_compression: true"));
  client.send(post("/echo", std::string(5000, 'x'), "Accept-Encoding: gzip\r\n"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 5000\r\n"));
}

TEST_F(HttpServerTest, RolesAreThoseOfTheProcessBehindASocket) {
  server_.reset();
  config::HttpListener listener;
  listener.address = "unix:" + path_;
  listener.allow = {{.roles = {"infer"}, .users = {std::to_string(::getuid())}}};
  start(listener);
  Client client(path_);
  client.send(get("/secret"));
  const std::string mine = client.read_until("client ");
  EXPECT_THAT(mine, HasSubstr("200 OK"));
  Client admin(path_);
  admin.send(post("/secret", "a body"));
  const std::string denied = admin.read_until("}");
  EXPECT_THAT(denied, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(denied, HasSubstr("POST /secret needs the role 'admin', and the caller has: infer"));
  admin.send(get("/hello/anybody"));
  EXPECT_THAT(admin.read_until("anybody"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, WhoHasNoRoleIsRefused) {
  server_.reset();
  config::HttpListener listener;
  listener.address = "unix:" + path_;
  listener.allow = {{.roles = {"admin"}, .users = {std::to_string(::getuid() + 1)}}};
  start(listener);
  Client client(path_);
  client.send(get("/secret") + get("/nothing") + get("/hello/anybody"));
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(client.read_until("}"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(client.read_until("anybody"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, EachConnectionIsAClient) {
  const auto client_of = [](Client& client) {
    client.send(get("/secret"));
    const std::string head = client.read_until("\r\n\r\n");
    const size_t at = head.find("Content-Length: ") + std::strlen("Content-Length: ");
    std::string body;
    while (body.size() < std::stoul(head.substr(at))) body += client.read_byte();
    return body;
  };
  Client one(path_);
  Client two(path_);
  const std::string first = client_of(one);
  EXPECT_THAT(first, StartsWith("client "));
  EXPECT_EQ(client_of(one), first);
  EXPECT_NE(client_of(two), first);
}

TEST_F(HttpServerTest, AnAddressThatIsTakenIsRefused) {
  config::HttpListener listener;
  listener.address = "unix:" + path_;
  const auto second = HttpServer::start(with(listener), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("another process serves on"));
  listener.address = "127.0.0.1:0";
  const auto tcp = HttpServer::start(with(listener), {});
  ASSERT_TRUE(tcp.ok()) << tcp.status().to_string();
  listener.address = (*tcp)->addresses()[0];
  EXPECT_NE(listener.address, "127.0.0.1:0");
  const auto taken = HttpServer::start(with(listener), {});
  ASSERT_FALSE(taken.ok());
  EXPECT_THAT(taken.status().message(), HasSubstr(listener.address));
}

}  // namespace
}  // namespace inferd::serve
