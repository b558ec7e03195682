// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/http_server.h"

#include <fcntl.h>
#include <microhttpd.h>

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

#include "daemon/host/module.h"
#include "daemon/schedule/request.h"
#include "daemon/serve/certificates.h"
#include "daemon/serve/client.h"
#include "daemon/serve/http/body_stream.h"
#include "daemon/serve/http/encoding.h"
#include "daemon/serve/http/form_reader.h"
#include "daemon/serve/http/gate.h"
#include "daemon/serve/http/slow_clients.h"
#include "daemon/serve/http/tls_session.h"
#include "daemon/serve/listening_socket.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/worker.h"

namespace inferd::serve {
namespace {

// The library (0.9.75) asks for 128 events at once, and when it gets so many, it waits for more
// before it looks at them: a thread that has fewer connections is never caught in that.
constexpr unsigned kConnectionsPerThread = 120;
constexpr size_t kHeadBytes = 32 << 10;           // of a request
constexpr int64_t kMinBytesPerSecond = 64 << 10;  // on average, of bodies and answers
constexpr int64_t kLargestBodiesAtOnce = 4;       // what all bodies together may take
constexpr int64_t kMaxDiscarded = 4;              // times the largest body, of a refused one
constexpr size_t kLeastPacked = 1 << 10;          // smaller answers are sent as they are
constexpr int64_t kNsPerSecond = 1'000'000'000;

// One client, from its connection to its end. By the connection's thread.
struct Connection {
  SlowClients::Place place;
  const uint64_t client = new_client();
  Peer peer;                // without a token, which each request shows
  bool introduced = false;  // `peer` is known
  Handshake handshake;      // where the listener has TLS
};

// One request on its way and its answer. Lives from the request's head until its answer is sent or
// the connection breaks. All by the connection's thread, but for `answer` while it is suspended.
struct Exchange {
  MHD_Connection* connection = nullptr;
  std::shared_ptr<Request> request = std::make_shared<Request>();
  const Route* route = nullptr;
  int64_t begun_ns = 0;
  int64_t received = 0;  // bytes of the body, kept or thrown away
  bool dispatched = false;
  int64_t kept = 0;                    // bytes of the body, or of the form
  std::unique_ptr<Unpacker> unpacker;  // of a compressed body
  std::unique_ptr<FormReader> form;    // of a route that takes one
  std::optional<Response> answer;      // also early: what the body is thrown away for
  std::function<Response()> make;      // makes the answer
  std::shared_ptr<BodyStream> stream;
};

// How long a client may take for so many bytes.
int64_t transfer_ns(int64_t bytes) { return bytes * (kNsPerSecond / kMinBytesPerSecond); }

Connection& connection_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return *static_cast<Connection*>(info->socket_context);
}

MHD_Result keep_header(void* request, MHD_ValueKind, const char* key, size_t key_size,
                       const char* value, size_t value_size) {
  // A header without a value has none here, either.
  static_cast<Request*>(request)->headers.emplace(
      std::string(key, key_size),
      value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

// Values that are no text ("%zz") are as if they were not there.
MHD_Result keep_query(void* request, MHD_ValueKind, const char* key, size_t key_size,
                      const char* value, size_t value_size) {
  const std::string_view text(value == nullptr ? "" : value, value == nullptr ? 0 : value_size);
  if (auto decoded = percent_decoded(text))
    static_cast<Request*>(request)->query.emplace(std::string(key, key_size), *std::move(decoded));
  return MHD_YES;
}

// As declared; 0 when it is not.
int64_t content_length(const Request& request) {
  const std::string* text = request.header("Content-Length");
  int64_t length = 0;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), length);
  return length;
}

bool is_packed(const Response& answer) {
  return std::any_of(answer.headers.begin(), answer.headers.end(),
                     [](const auto& header) { return header.first == "Content-Encoding"; });
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
  Gate gate;
  bool is_unix = false;
  std::optional<TlsFiles> tls;  // that it began with
  bool asks_for_certificate = false, requires_certificate = false;
  std::mutex renewing;
  std::optional<WatchedTls> watched;  // by `renewing`, as the next
  // The last is for new connections. Sessions borrow theirs, so none goes before the listener; one
  // comes when a certificate is renewed, once in weeks.
  std::vector<std::unique_ptr<TlsCredentials>> credentials;
  std::unique_ptr<ListeningSocket> socket;
  MHD_Daemon* daemon = nullptr;
};

// For the library; ends with MHD_OPTION_END, which alone means that nothing is encrypted. Borrows
// the texts.
std::vector<MHD_OptionItem> tls_options(std::optional<TlsFiles>& tls) {
  // TLS 1.2 or newer, as gRPC has it.
  static std::string priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
  std::vector<MHD_OptionItem> options;
  if (tls) {
    options.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, priorities.data()});
    options.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate.data()});
    options.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key.data()});
    if (!tls->client_ca.empty())
      options.push_back({MHD_OPTION_HTTPS_MEM_TRUST, 0, tls->client_ca.data()});
  }
  options.push_back({MHD_OPTION_END, 0, nullptr});
  return options;
}

// Before the handshake of a new connection of a listener with TLS.
void prepare_session(MHD_Connection* connection, Listener& listener, Handshake& handshake) {
  watch_handshake(connection, handshake);
  const std::lock_guard lock(listener.renewing);
  if (const auto files = listener.watched->renewed()) {
    auto fresh = TlsCredentials::create(*files);
    if (fresh.ok()) {
      listener.credentials.push_back(std::move(*fresh));
    } else {
      telemetry::log(LogLevel::kError, fresh.status().message());
    }
  }
  listener.credentials.back()->give_to(connection);
  if (listener.asks_for_certificate) ask_for_certificate(connection, listener.requires_certificate);
}

// Who is at the other end; asked once of each connection, when its first request is there.
const Peer& peer_of(MHD_Connection* handle, const Listener& listener) {
  Connection& connection = connection_of(handle);
  if (std::exchange(connection.introduced, true)) return connection.peer;
  if (listener.is_unix) {
    if (auto process = process_behind(fd_of(handle)); process.ok())
      connection.peer.process = *std::move(process);
  }
  connection.peer.subject = subject_of(handle);
  if (!listener.is_unix) connection.peer.address = address_of(handle);
  return connection.peer;
}

class MicroHttpServer final : public HttpServer {
 public:
  MicroHttpServer(const config::ServerConfig& config, std::vector<Route> routes)
      : router_(std::move(routes)),
        max_body_(config.max_message_bytes),
        compresses_(config.accept_compression) {}
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
  void begin(Exchange& exchange, const Listener& listener, const char* url, const char* method);
  std::optional<Response> early_answer(Exchange& exchange, const Listener& listener,
                                       const Router::Match& match, const char* url,
                                       const char* method);
  std::optional<Response> prepare_to_unpack(Exchange& exchange) const;
  MHD_Result receive(Exchange& exchange, std::string_view data);
  bool keep(Exchange& exchange, std::string_view data);  // false: it was refused
  bool dispatch(Exchange& exchange);  // true: there is an answer; false: there will be
  MHD_Result send(Exchange& exchange, const Listener& listener);
  void end(Exchange& exchange);

  void compress(const Request& request, Response& answer) const;
  void set_deadline(const Exchange& exchange, int64_t deadline_ns);
  void refuse(Exchange& exchange, Response answer);
  Response too_large(const Exchange& exchange) const;

  const Router router_;
  const int64_t max_body_;
  const bool compresses_;  // takes compressed bodies, and sends them to who asks
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
  listener->is_unix = config.address.starts_with("unix:");
  INFERD_ASSIGN_OR_RETURN(Access access, Access::create(config.allow));
  listener->gate = Gate(config, std::move(access));
  if (config.tls) {
    INFERD_ASSIGN_OR_RETURN(listener->watched,
                            WatchedTls::open(*config.tls, listener->tls.emplace()));
    INFERD_ASSIGN_OR_RETURN(listener->credentials.emplace_back(),
                            TlsCredentials::create(*listener->tls));
    listener->asks_for_certificate = !listener->tls->client_ca.empty();
    listener->requires_certificate = requires_client_certificate(config);
  }
  INFERD_ASSIGN_OR_RETURN(listener->socket,
                          ListeningSocket::open(config.address, config.socket_mode));
  Listener* const cls = listener.get();
  constexpr unsigned kFlags =
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
  const unsigned flags = kFlags | (listener->tls ? unsigned{MHD_USE_TLS} : 0U);
  std::vector<MHD_OptionItem> tls = tls_options(listener->tls);
  const auto connections = static_cast<unsigned>(config.max_connections);
  const unsigned threads = std::max(2U, (connections - 1) / kConnectionsPerThread + 1);
  const int lent = ::fcntl(listener->socket->fd(), F_DUPFD_CLOEXEC, 0);  // the library closes it
  if (lent < 0) return unavailable(std::string("no descriptor is left: ") + std::strerror(errno));
  listener->daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &on_request, cls,                                       //
      MHD_OPTION_EXTERNAL_LOGGER, &log_message, nullptr, MHD_OPTION_LISTEN_SOCKET, lent,  //
      MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, connections,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytes, MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(config.timeout_s), MHD_OPTION_STRICT_FOR_CLIENT, 1,  //
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_UNESCAPE_CALLBACK, &leave_escaped, nullptr,
      MHD_OPTION_NOTIFY_COMPLETED, &on_completed, cls, MHD_OPTION_NOTIFY_CONNECTION, &on_connection,
      cls, MHD_OPTION_ARRAY, tls.data(), MHD_OPTION_END);
  if (listener->daemon == nullptr) {
    return unavailable("the server on '" + config.address +
                       "' did not start: " + std::strerror(errno));
  }
  listeners_.push_back(std::move(listener));
  return ok_status();
}

void MicroHttpServer::shut_down(int64_t timeout_ms) {
  // Who connects to an address all the same is answered that the server stops. The library could
  // stop accepting, but when one of its threads wakes up just then, both take the socket out of
  // what the thread watches, and it ends the process (0.9.75).
  for (const auto& listener : listeners_) listener->socket->remove_file();
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
  static thread_local telemetry::Worker worker("a thread of HTTP");  // the library's
  const telemetry::Work work(worker);
  if (*context == nullptr) {
    auto* const exchange = new Exchange;
    *context = exchange;
    exchange->connection = connection;
    server.begin(*exchange, listener, url, method);
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
  Listener& listener = *static_cast<Listener*>(cls);
  SlowClients& slow_clients = listener.server->slow_clients_;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const int64_t deadline_ns = schedule::now_ns() + listener.timeout_ns;
    auto* const fresh = new Connection{
        .place = slow_clients.add(fd_of(connection), deadline_ns), .peer = {}, .handshake = {}};
    *place = fresh;
    if (listener.tls) prepare_session(connection, listener, fresh->handshake);
  } else {
    const std::unique_ptr<Connection> owned(static_cast<Connection*>(*place));
    slow_clients.remove(owned->place);
    report_handshake(owned->handshake, listener.socket->address());
  }
}

void MicroHttpServer::set_deadline(const Exchange& exchange, int64_t deadline_ns) {
  slow_clients_.set_deadline(connection_of(exchange.connection).place, deadline_ns);
}

void MicroHttpServer::begin(Exchange& exchange, const Listener& listener, const char* url,
                            const char* method) {
  exchange.begun_ns = schedule::now_ns();
  Request& request = *exchange.request;
  MHD_get_connection_values_n(exchange.connection, MHD_HEADER_KIND, &keep_header, &request);
  MHD_get_connection_values_n(exchange.connection, MHD_GET_ARGUMENT_KIND, &keep_query, &request);
  Router::Match match = router_.match(method, url);
  exchange.route = match.route;
  request.captures = std::move(match.captures);
  {
    const std::lock_guard lock(mutex_);
    ++exchanges_;
  }
  if (auto answer = early_answer(exchange, listener, match, url, method))
    refuse(exchange, *std::move(answer));
}

// What is to be said before anything of the body has come, if the request is not to be served.
std::optional<Response> MicroHttpServer::early_answer(Exchange& exchange, const Listener& listener,
                                                      const Router::Match& match, const char* url,
                                                      const char* method) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return refusal(match.route, 503, "the daemon stops");
  }
  if (match.allowed.empty())
    return error_response(404, std::string("there is nothing at '") + url + "'");
  if (match.route == nullptr) {
    Response wrong_method = error_response(
        405, std::string("'") + url + "' takes " + match.allowed + ", not " + method);
    wrong_method.headers.emplace_back("Allow", match.allowed);
    return wrong_method;
  }
  exchange.request->client = connection_of(exchange.connection).client;
  exchange.request->peer = [handle = exchange.connection, &listener] {
    return peer_of(handle, listener);
  };
  if (auto refused = listener.gate.check(*exchange.request, *match.route)) return refused;
  if (content_length(*exchange.request) > max_body_) return too_large(exchange);
  if (match.route->takes == kForm &&
      !(exchange.form = FormReader::create(exchange.connection, exchange.request->form)))
    return refusal(match.route, 400, "the form's Content-Type lacks its boundary");
  return prepare_to_unpack(exchange);
}

std::optional<Response> MicroHttpServer::prepare_to_unpack(Exchange& exchange) const {
  const std::string* header = exchange.request->header("Content-Encoding");
  if (header == nullptr) return std::nullopt;
  const std::optional<Encoding> encoding = encoding_called(*header);
  if (encoding == Encoding::kNone) return std::nullopt;
  if (encoding && compresses_) {
    exchange.unpacker = std::make_unique<Unpacker>(*encoding);
    return std::nullopt;
  }
  Response unknown = refusal(
      exchange.route, 415,
      compresses_ ? "bodies come as they are, in gzip or in deflate, not in '" + *header + "'"
                  : "bodies must come as they are: 'accept_compression: true' under 'server' "
                    "in the daemon's configuration would allow to compress them");
  unknown.headers.emplace_back("Accept-Encoding", compresses_ ? "gzip, deflate" : "identity");
  return unknown;
}

void MicroHttpServer::refuse(Exchange& exchange, Response answer) {
  exchange.answer = std::move(answer);
  body_bytes_ -= std::exchange(exchange.kept, 0);
  exchange.request->body = {};
  exchange.request->form = {};
}

Response MicroHttpServer::too_large(const Exchange& exchange) const {
  return refusal(exchange.route, 413,
                 "the body is larger than server.max_message_bytes, " + std::to_string(max_body_));
}

MHD_Result MicroHttpServer::receive(Exchange& exchange, std::string_view data) {
  exchange.received += static_cast<int64_t>(data.size());
  if (exchange.answer) return exchange.received > kMaxDiscarded * max_body_ ? MHD_NO : MHD_YES;
  if (exchange.received > max_body_) {
    refuse(exchange, too_large(exchange));
  } else if (exchange.unpacker == nullptr) {
    keep(exchange, data);
  } else {
    const Status unpacked =
        exchange.unpacker->add(data, [&](std::string_view piece) { return keep(exchange, piece); });
    if (!unpacked.ok()) refuse(exchange, error_response(unpacked));
  }
  return MHD_YES;
}

bool MicroHttpServer::keep(Exchange& exchange, std::string_view data) {
  const auto size = static_cast<int64_t>(data.size());
  if (exchange.kept + size > max_body_) {
    refuse(exchange, too_large(exchange));
    return false;
  }
  if (body_bytes_ + size > kLargestBodiesAtOnce * max_body_) {
    refuse(exchange,
           refusal(exchange.route, 503, "too many large requests at once, try again later"));
    return false;
  }
  exchange.kept += size;
  body_bytes_ += size;
  if (exchange.form == nullptr) {
    exchange.request->body += data;
  } else if (!exchange.form->add(data)) {
    refuse(exchange, refusal(exchange.route, 400, "the form is malformed, or has too many fields"));
    return false;
  }
  return true;
}

bool MicroHttpServer::dispatch(Exchange& exchange) {
  exchange.dispatched = true;
  if (!exchange.answer && exchange.unpacker != nullptr) {
    if (const Status whole = exchange.unpacker->finish(); !whole.ok())
      refuse(exchange, error_response(whole));
  }
  if (!exchange.answer && exchange.form != nullptr && !exchange.form->finish())
    refuse(exchange, refusal(exchange.route, 400, "the form ends too early"));
  if (exchange.answer) return true;
  if (const auto* handler = std::get_if<SyncHandler>(&exchange.route->handler)) {
    exchange.answer = (*handler)(*exchange.request);
    return true;
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      exchange.answer = refusal(exchange.route, 503, "the daemon stops");
      return true;
    }
    ++working_;
  }
  set_deadline(exchange, 0);
  exchange.request->client_gone = [fd = fd_of(exchange.connection)] { return client_gone(fd); };
  // Before the route begins, which may be done before it returns.
  MHD_suspend_connection(exchange.connection);
  const Done done = [this, &exchange](Answer answer) {
    if (auto* ready = std::get_if<Response>(&answer)) {
      exchange.answer = std::move(*ready);
    } else {
      exchange.make = std::get<std::function<Response()>>(std::move(answer));
    }
    // Sends on the connection's thread; the exchange is not ours any more.
    MHD_resume_connection(exchange.connection);
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
  };
  std::get<AsyncHandler>(exchange.route->handler)(exchange.request, done);
  return false;
}

void MicroHttpServer::compress(const Request& request, Response& answer) const {
  if (!compresses_ || answer.stream || is_packed(answer)) return;
  answer.headers.emplace_back("Vary", "Accept-Encoding");
  const std::string* header = request.header("Accept-Encoding");
  if (header == nullptr || answer.body.size() < kLeastPacked) return;
  const Encoding encoding = accepted_encoding(*header);
  if (encoding == Encoding::kNone) return;
  std::optional<std::string> smaller = packed(answer.body, encoding);
  if (!smaller) return;
  answer.body = *std::move(smaller);
  answer.headers.emplace_back("Content-Encoding", encoding_name(encoding));
}

MHD_Result MicroHttpServer::send(Exchange& exchange, const Listener& listener) {
  // What it is made of goes right away: a model that is unloaded waits for that.
  if (exchange.make) exchange.answer = std::exchange(exchange.make, nullptr)();
  Response& answer = *exchange.answer;
  compress(*exchange.request, answer);
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
  body_bytes_ -= exchange.kept;
  const std::lock_guard lock(mutex_);
  streams_.erase(exchange.stream);
  --exchanges_;
  changed_.notify_all();
}

Result<std::unique_ptr<HttpServer>> start(const config::ServerConfig& config,
                                          std::vector<Route> routes) {
  auto server = std::make_unique<MicroHttpServer>(config, std::move(routes));
  for (const config::HttpListener& listener : config.http)
    INFERD_RETURN_IF_ERROR(server->listen(listener));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace
}  // namespace inferd::serve

INFERD_MODULE_FUNCTION(http_server, inferd::serve::StartHttpServer, inferd::serve::start)
