// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/http_server.h"

#include <microhttpd.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>

#include "daemon/schedule/request.h"
#include "daemon/serve/http/body_stream.h"
#include "daemon/serve/http/slow_clients.h"
#include "daemon/serve/listening_socket.h"
#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

// The library (0.9.75) asks for 128 events at once, and when it gets so many, it waits for more
// before it looks at them: a thread that has fewer connections is never caught in that.
constexpr unsigned kConnectionsPerThread = 120;
constexpr size_t kHeadBytes = 32 << 10;           // of a request
constexpr int64_t kMinBytesPerSecond = 64 << 10;  // on average, of bodies and answers
constexpr int64_t kLargestBodiesAtOnce = 4;       // what all bodies together may take
constexpr int64_t kMaxDiscarded = 4;              // times the largest body, of a refused one
constexpr int64_t kNsPerSecond = 1'000'000'000;

// One request on its way and its answer. Lives from the request's head until its answer is sent or
// the connection breaks. All by the connection's thread, but for `answer` while it is suspended.
struct Exchange {
  MHD_Connection* connection = nullptr;
  std::shared_ptr<Request> request = std::make_shared<Request>();
  const Route* route = nullptr;
  int64_t begun_ns = 0;
  int64_t received = 0;  // bytes of the body, kept or thrown away
  bool dispatched = false;
  std::optional<Response> answer;  // also early: what the body is thrown away for
  std::shared_ptr<BodyStream> stream;
};

// How long a client may take for so many bytes.
int64_t transfer_ns(int64_t bytes) { return bytes * (kNsPerSecond / kMinBytesPerSecond); }

bool client_gone(int fd) {
  pollfd state{fd, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

int fd_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

MHD_Result keep_header(void* request, MHD_ValueKind, const char* key, size_t key_size,
                       const char* value, size_t value_size) {
  // A header without a value has none here, either.
  static_cast<Request*>(request)->headers.emplace(
      std::string(key, key_size),
      value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

// As declared; 0 when it is not.
int64_t content_length(const Request& request) {
  const std::string* text = request.header("Content-Length");
  int64_t length = 0;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), length);
  return length;
}

// The library's own messages: what clients did wrong.
[[gnu::format(printf, 2, 0)]] void log_message(void*, const char* format, va_list arguments) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string message = std::string("http: ") + text.data();
  while (message.ends_with('\n')) message.pop_back();
  telemetry::log(LogLevel::kDebug, message);
}

// Paths are decoded by the router, segment by segment.
size_t leave_escaped(void*, MHD_Connection*, char* text) { return std::strlen(text); }

MHD_Response* make_body(std::string body) {
  auto* const owned = new std::string(std::move(body));
  MHD_Response* response = MHD_create_response_from_buffer_with_free_callback_cls(
      owned->size(), owned->data(), [](void* text) { delete static_cast<std::string*>(text); },
      owned);
  if (response == nullptr) delete owned;
  return response;
}

// What one listener's callbacks get: the connections of a server that came by it.
class MicroHttpServer;
struct Listener {
  MicroHttpServer* server = nullptr;
  int64_t timeout_ns = 0;
  std::unique_ptr<ListeningSocket> socket;
  MHD_Daemon* daemon = nullptr;
};

class MicroHttpServer final : public HttpServer {
 public:
  MicroHttpServer(int64_t max_body_bytes, std::vector<Route> routes)
      : router_(std::move(routes)), max_body_(max_body_bytes) {}
  ~MicroHttpServer() override { MicroHttpServer::shut_down(0); }

  Status listen(const config::HttpListener& config);

  std::vector<std::string> addresses() const override {
    std::vector<std::string> addresses;
    for (const auto& listener : listeners_) addresses.push_back(listener->socket->address());
    return addresses;
  }

  void shut_down(int64_t timeout_ms) override;

 private:
  // The library's callbacks. `cls` is the Listener.
  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* data,
                               size_t* size, void** context);
  static void on_completed(void* cls, MHD_Connection* connection, void** context,
                           MHD_RequestTerminationCode);
  static void on_connection(void* cls, MHD_Connection* connection, void** place,
                            MHD_ConnectionNotificationCode what);

  // The steps of an exchange.
  void begin(Exchange& exchange, const char* url, const char* method);
  MHD_Result receive(Exchange& exchange, std::string_view data);
  bool dispatch(Exchange& exchange);  // true: there is an answer; false: there will be
  MHD_Result send(Exchange& exchange, const Listener& listener);
  void end(Exchange& exchange);

  void set_deadline(const Exchange& exchange, int64_t deadline_ns);
  void refuse(Exchange& exchange, Response answer);
  Response too_large() const;

  const Router router_;
  const int64_t max_body_;
  SlowClients slow_clients_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::atomic<int64_t> body_bytes_{0};  // of all requests
  std::mutex mutex_;
  std::condition_variable changed_;
  int exchanges_ = 0;                              // by mutex_
  int working_ = 0;                                // by mutex_; routes that have not answered yet
  bool closing_ = false;                           // by mutex_; refuses new requests
  bool stopped_ = false;                           // by mutex_; starts no route any more
  std::set<std::shared_ptr<BodyStream>> streams_;  // by mutex_
};

Status MicroHttpServer::listen(const config::HttpListener& config) {
  auto listener = std::make_unique<Listener>();
  listener->server = this;
  listener->timeout_ns = config.timeout_s * kNsPerSecond;
  INFERD_ASSIGN_OR_RETURN(listener->socket,
                          ListeningSocket::open(config.address, config.socket_mode));
  Listener* const cls = listener.get();
  constexpr unsigned kFlags =
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
  const auto connections = static_cast<unsigned>(config.max_connections);
  const unsigned threads = std::max(2U, (connections - 1) / kConnectionsPerThread + 1);
  listener->daemon = MHD_start_daemon(
      kFlags, 0, nullptr, nullptr, &on_request, cls,  //
      MHD_OPTION_EXTERNAL_LOGGER, &log_message, nullptr, MHD_OPTION_LISTEN_SOCKET,
      listener->socket->fd(),  //
      MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, connections,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytes, MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(config.timeout_s), MHD_OPTION_STRICT_FOR_CLIENT, 1,  //
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_UNESCAPE_CALLBACK, &leave_escaped, nullptr,
      MHD_OPTION_NOTIFY_COMPLETED, &on_completed, cls, MHD_OPTION_NOTIFY_CONNECTION, &on_connection,
      cls, MHD_OPTION_END);
  if (listener->daemon == nullptr) {
    return unavailable("the server on '" + config.address +
                       "' did not start: " + std::strerror(errno));
  }
  listeners_.push_back(std::move(listener));
  return ok_status();
}

void MicroHttpServer::shut_down(int64_t timeout_ms) {
  for (const auto& listener : listeners_) {
    listener->socket->remove_file();
    MHD_quiesce_daemon(listener->daemon);
  }
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    for (const auto& stream : streams_) stream->end();
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return exchanges_ == 0; });
    stopped_ = true;
    // The library must not be stopped while a connection is suspended.
    changed_.wait(lock, [&] { return working_ == 0; });
  }
  for (const auto& listener : listeners_) MHD_stop_daemon(listener->daemon);
  listeners_.clear();
}

MHD_Result MicroHttpServer::on_request(void* cls, MHD_Connection* connection, const char* url,
                                       const char* method, const char*, const char* data,
                                       size_t* size, void** context) {
  const Listener& listener = *static_cast<Listener*>(cls);
  MicroHttpServer& server = *listener.server;
  if (*context == nullptr) {
    auto* const exchange = new Exchange;
    *context = exchange;
    exchange->connection = connection;
    server.begin(*exchange, url, method);
    server.set_deadline(*exchange, exchange->begun_ns + listener.timeout_ns);
    // Who asks before it sends a body is told at once. Anybody else's body is received and thrown
    // away: an answer to a client that is still sending would not reach it.
    const bool asks = exchange->request->header("Expect") != nullptr;
    return asks && exchange->answer ? server.send(*exchange, listener) : MHD_YES;
  }
  Exchange& exchange = *static_cast<Exchange*>(*context);
  if (*size > 0) {
    const MHD_Result result = server.receive(exchange, {data, *size});
    *size = 0;
    server.set_deadline(exchange,
                        exchange.begun_ns + listener.timeout_ns + transfer_ns(exchange.received));
    return result;
  }
  // A second call comes once an asynchronous route has answered.
  if (!exchange.dispatched && !server.dispatch(exchange)) return MHD_YES;
  return server.send(exchange, listener);
}

void MicroHttpServer::on_completed(void* cls, MHD_Connection*, void** context,
                                   MHD_RequestTerminationCode) {
  const Listener& listener = *static_cast<Listener*>(cls);
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*context));
  *context = nullptr;
  if (exchange == nullptr) return;
  // The next request may begin just before the silence has lasted too long.
  listener.server->set_deadline(*exchange, schedule::now_ns() + 2 * listener.timeout_ns);
  listener.server->end(*exchange);
}

void MicroHttpServer::on_connection(void* cls, MHD_Connection* connection, void** place,
                                    MHD_ConnectionNotificationCode what) {
  const Listener& listener = *static_cast<Listener*>(cls);
  SlowClients& slow_clients = listener.server->slow_clients_;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const int64_t deadline_ns = schedule::now_ns() + listener.timeout_ns;
    *place = new SlowClients::Place(slow_clients.add(fd_of(connection), deadline_ns));
  } else {
    const std::unique_ptr<SlowClients::Place> owned(static_cast<SlowClients::Place*>(*place));
    slow_clients.remove(*owned);
  }
}

void MicroHttpServer::set_deadline(const Exchange& exchange, int64_t deadline_ns) {
  const auto* info =
      MHD_get_connection_info(exchange.connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  slow_clients_.set_deadline(*static_cast<SlowClients::Place*>(info->socket_context), deadline_ns);
}

void MicroHttpServer::begin(Exchange& exchange, const char* url, const char* method) {
  exchange.begun_ns = schedule::now_ns();
  Request& request = *exchange.request;
  MHD_get_connection_values_n(exchange.connection, MHD_HEADER_KIND, &keep_header, &request);
  Router::Match match = router_.match(method, url);
  exchange.route = match.route;
  request.captures = std::move(match.captures);
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    ++exchanges_;
    closing = closing_;
  }
  if (closing) {
    refuse(exchange, error_response(503, "the daemon stops"));
  } else if (match.allowed.empty()) {
    refuse(exchange, error_response(404, std::string("there is nothing at '") + url + "'"));
  } else if (match.route == nullptr) {
    Response wrong_method = error_response(
        405, std::string("'") + url + "' takes " + match.allowed + ", not " + method);
    wrong_method.headers.emplace_back("Allow", match.allowed);
    refuse(exchange, std::move(wrong_method));
  } else if (content_length(request) > max_body_) {
    refuse(exchange, too_large());
  }
}

void MicroHttpServer::refuse(Exchange& exchange, Response answer) {
  exchange.answer = std::move(answer);
  body_bytes_ -= static_cast<int64_t>(exchange.request->body.size());
  exchange.request->body = {};
}

Response MicroHttpServer::too_large() const {
  return error_response(
      413, "the body is larger than server.max_message_bytes, " + std::to_string(max_body_));
}

MHD_Result MicroHttpServer::receive(Exchange& exchange, std::string_view data) {
  const auto size = static_cast<int64_t>(data.size());
  exchange.received += size;
  if (exchange.answer) return exchange.received > kMaxDiscarded * max_body_ ? MHD_NO : MHD_YES;
  std::string& body = exchange.request->body;
  if (static_cast<int64_t>(body.size()) + size > max_body_) {
    refuse(exchange, too_large());
  } else if (body_bytes_ + size > kLargestBodiesAtOnce * max_body_) {
    refuse(exchange, error_response(503, "too many large requests at once, try again later"));
  } else {
    body += data;
    body_bytes_ += size;
  }
  return MHD_YES;
}

bool MicroHttpServer::dispatch(Exchange& exchange) {
  exchange.dispatched = true;
  if (exchange.answer) return true;
  if (const auto* handler = std::get_if<SyncHandler>(&exchange.route->handler)) {
    exchange.answer = (*handler)(*exchange.request);
    return true;
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      exchange.answer = error_response(503, "the daemon stops");
      return true;
    }
    ++working_;
  }
  set_deadline(exchange, 0);
  exchange.request->client_gone = [fd = fd_of(exchange.connection)] { return client_gone(fd); };
  // Before the route begins, which may be done before it returns.
  MHD_suspend_connection(exchange.connection);
  std::get<AsyncHandler>(exchange.route->handler)(exchange.request,
                                                  [this, &exchange](Response answer) {
                                                    exchange.answer = std::move(answer);
                                                    // Sends on the connection's thread; the
                                                    // exchange is not ours any more.
                                                    MHD_resume_connection(exchange.connection);
                                                    const std::lock_guard lock(mutex_);
                                                    --working_;
                                                    changed_.notify_all();
                                                  });
  return false;
}

MHD_Result MicroHttpServer::send(Exchange& exchange, const Listener& listener) {
  Response& answer = *exchange.answer;
  const auto size = static_cast<int64_t>(answer.body.size());
  MHD_Response* response = nullptr;
  bool closing = false;
  if (answer.stream) {
    exchange.stream = std::make_shared<BodyStream>(exchange.connection, std::move(*answer.stream));
    response = exchange.stream->make_response();
  } else {
    response = make_body(std::move(answer.body));
  }
  if (response == nullptr) return MHD_NO;
  {
    const std::lock_guard lock(mutex_);
    closing = closing_;
    if (exchange.stream != nullptr) streams_.insert(exchange.stream);
    if (exchange.stream != nullptr && closing) exchange.stream->end();
  }
  if (!answer.content_type.empty())
    MHD_add_response_header(response, "Content-Type", answer.content_type.c_str());
  for (const auto& [name, value] : answer.headers)
    MHD_add_response_header(response, name.c_str(), value.c_str());
  if (closing) MHD_add_response_header(response, "Connection", "close");
  const int64_t until = schedule::now_ns() + listener.timeout_ns + transfer_ns(size);
  set_deadline(exchange, exchange.stream == nullptr ? until : 0);
  const MHD_Result result =
      MHD_queue_response(exchange.connection, static_cast<unsigned>(answer.code), response);
  MHD_destroy_response(response);
  return result;
}

void MicroHttpServer::end(Exchange& exchange) {
  if (exchange.stream != nullptr) exchange.stream->detach();
  body_bytes_ -= static_cast<int64_t>(exchange.request->body.size());
  const std::lock_guard lock(mutex_);
  streams_.erase(exchange.stream);
  --exchanges_;
  changed_.notify_all();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(
    const std::vector<config::HttpListener>& listeners, int64_t max_body_bytes,
    std::vector<Route> routes) {
  auto server = std::make_unique<MicroHttpServer>(max_body_bytes, std::move(routes));
  for (const config::HttpListener& listener : listeners)
    INFERD_RETURN_IF_ERROR(server->listen(listener));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace inferd::serve
