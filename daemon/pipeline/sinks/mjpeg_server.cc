// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/mjpeg_server.h"

#include <microhttpd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

constexpr int64_t kSnapshotNs = 5'000'000'000;  // how long to wait for a frame
constexpr unsigned kIdleSeconds = 30;
constexpr size_t kBlock = 65'536;
constexpr const char* kBoundary = "inferd-frame";

int reply(MHD_Connection* connection, unsigned status, const char* text) {
  // The library copies it.
  MHD_Response* response = MHD_create_response_from_buffer(
      std::strlen(text), const_cast<char*>(text),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(response, "Content-Type", "text/plain");
  const MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

struct MjpegServer::Client {
  enum class Kind : uint8_t { kNone, kStream, kSnapshot };

  MjpegServer* server = nullptr;
  MHD_Connection* connection = nullptr;
  std::string path, method;
  // By the server's mutex.
  Kind kind = Kind::kNone;
  uint64_t seen = 0;  // number of the last picture
  int64_t until = 0;  // of snapshots: when to give up
  // By the connection's thread.
  std::shared_ptr<const Part> part = nullptr;  // on its way
  size_t sent = 0;                             // of it
};

// What libmicrohttpd calls.
struct MjpegHandlers {
  using Client = MjpegServer::Client;

  static MHD_Result request(void* self, MHD_Connection* connection, const char* url,
                            const char* method, const char*, const char*, size_t* upload_bytes,
                            void** state) {
    if (*state == nullptr) {
      *state = new Client{static_cast<MjpegServer*>(self), connection, url, method};
      return MHD_YES;
    }
    *upload_bytes = 0;  // nobody wants it
    auto* client = static_cast<Client*>(*state);
    return client->server->answer(*client) != 0 ? MHD_YES : MHD_NO;
  }

  static void completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    const std::unique_ptr<Client> client(static_cast<Client*>(*state));
    if (client == nullptr) return;
    MjpegServer& server = *client->server;
    const std::lock_guard lock(server.mutex_);
    server.suspended_.erase(client.get());
    if (client->kind == Client::Kind::kStream) --server.streams_;
    if (client->kind == Client::Kind::kSnapshot) --server.snapshots_;
  }

  static ssize_t read(void* client, uint64_t, char* out, size_t max) {
    auto* c = static_cast<Client*>(client);
    return c->server->read(*c, out, max);
  }
};

MjpegServer::~MjpegServer() {
  if (daemon_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    resume_all();  // the library must not be stopped while a connection is suspended
  }
  MHD_stop_daemon(daemon_);
}

Status MjpegServer::listen() {
  if (daemon_ != nullptr) return ok_status();
  const unsigned v6 = options_.listen.storage.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
  const auto limit = static_cast<unsigned>(options_.max_clients) + 8;  // some to be told so
  errno = 0;
  daemon_ = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | v6, 0,
                             nullptr, nullptr, &MjpegHandlers::request, this, MHD_OPTION_SOCK_ADDR,
                             &options_.listen.storage, MHD_OPTION_NOTIFY_COMPLETED,
                             &MjpegHandlers::completed, nullptr, MHD_OPTION_CONNECTION_LIMIT, limit,
                             MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_END);
  if (daemon_ != nullptr) return ok_status();
  return unavailable(std::string("cannot listen: ") +
                     (errno != 0 ? std::strerror(errno) : "libmicrohttpd does not say why"));
}

bool MjpegServer::wanted() const {
  const std::lock_guard lock(mutex_);
  return streams_ + snapshots_ > 0;
}

size_t MjpegServer::clients() const {
  const std::lock_guard lock(mutex_);
  return streams_;
}

// By mutex_. False: there is no time left to wait.
bool MjpegServer::suspend(Client& client) {
  if (stopping_) return false;
  suspended_.insert(&client);
  MHD_suspend_connection(client.connection);
  return true;
}

// By mutex_.
void MjpegServer::resume_all() {
  for (Client* client : suspended_) MHD_resume_connection(client->connection);
  suspended_.clear();
}

void MjpegServer::publish(std::span<const uint8_t> jpeg) {
  auto part = std::make_shared<Part>();
  part->bytes = std::string("--") + kBoundary +
                "\r\nContent-Type: image/jpeg\r\nContent-Length: " + std::to_string(jpeg.size()) +
                "\r\n\r\n";
  part->jpeg = part->bytes.size();
  part->jpeg_bytes = jpeg.size();
  part->bytes.append(reinterpret_cast<const char*>(jpeg.data()), jpeg.size());
  part->bytes += "\r\n";
  const std::lock_guard lock(mutex_);
  part->number = ++number_;
  latest_ = std::move(part);
  resume_all();
}

void MjpegServer::tick() {
  const int64_t now = schedule::now_ns();
  const std::lock_guard lock(mutex_);
  std::erase_if(suspended_, [&](Client* client) {
    if (client->kind != Client::Kind::kSnapshot || now < client->until) return false;
    MHD_resume_connection(client->connection);
    return true;
  });
}

int MjpegServer::answer(Client& client) {
  if (client.method != MHD_HTTP_METHOD_GET)
    return reply(client.connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
  if (client.path == "/snapshot.jpg") return answer_snapshot(client);
  if (client.path != options_.path) {
    const std::string text = "there are " + options_.path + " and /snapshot.jpg\n";
    return reply(client.connection, MHD_HTTP_NOT_FOUND, text.c_str());
  }
  {
    const std::lock_guard lock(mutex_);
    const bool full = streams_ >= static_cast<size_t>(options_.max_clients);
    if (!full) {
      ++streams_;
      client.kind = Client::Kind::kStream;
      client.seen = number_;
    }
  }
  if (client.kind == Client::Kind::kNone)
    return reply(client.connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many clients\n");
  MHD_Response* response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlock, &MjpegHandlers::read, &client, nullptr);
  const std::string type = std::string("multipart/x-mixed-replace; boundary=") + kBoundary;
  MHD_add_response_header(response, "Content-Type", type.c_str());
  MHD_add_response_header(response, "Cache-Control", "no-store");
  const MHD_Result queued = MHD_queue_response(client.connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return queued;
}

// Called again when there is a picture, or no hope of one.
int MjpegServer::answer_snapshot(Client& client) {
  std::shared_ptr<const Part> picture;
  {
    const std::lock_guard lock(mutex_);
    if (client.kind == Client::Kind::kNone) {
      // As many as streams: who asks again and again must not be all that is served.
      if (snapshots_ >= static_cast<size_t>(options_.max_clients))
        return reply(client.connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many clients\n");
      ++snapshots_;
      client.kind = Client::Kind::kSnapshot;
      client.seen = number_;
      client.until = schedule::now_ns() + kSnapshotNs;
    }
    if (number_ > client.seen) picture = latest_;
    if (picture == nullptr && schedule::now_ns() < client.until && suspend(client)) return 1;
  }
  if (picture == nullptr)
    return reply(client.connection, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no picture\n");
  const std::string jpeg = picture->bytes.substr(picture->jpeg, picture->jpeg_bytes);
  MHD_Response* response = MHD_create_response_from_buffer(
      jpeg.size(), const_cast<char*>(jpeg.data()), MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(response, "Content-Type", "image/jpeg");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  const MHD_Result queued = MHD_queue_response(client.connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return queued;
}

int64_t MjpegServer::read(Client& client, char* out, size_t max) {
  if (client.part == nullptr) {
    const std::lock_guard lock(mutex_);
    if (number_ == client.seen)
      return suspend(client) ? 0 : static_cast<int64_t>(MHD_CONTENT_READER_END_OF_STREAM);
    client.part = latest_;
    client.seen = number_;
    client.sent = 0;
  }
  const std::string& bytes = client.part->bytes;
  const size_t n = std::min(max, bytes.size() - client.sent);
  bytes.copy(out, n, client.sent);
  client.sent += n;
  if (client.sent == bytes.size()) client.part = nullptr;
  return static_cast<int64_t>(n);
}

}  // namespace inferd::pipeline
