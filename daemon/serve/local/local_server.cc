// SPDX-License-Identifier: Apache-2.0
//
// A fixed number of threads share one poller: whoever is told of a connection takes what came, and
// the others listen on. A request that need not wait is computed by the thread that took it, as
// long as another one listens. No thread ever waits for a client.
#include "daemon/serve/local/local_server.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/serve/access.h"
#include "daemon/serve/listening_socket.h"
#include "daemon/serve/local/connection.h"
#include "daemon/telemetry/worker.h"

namespace inferd::serve {
namespace {

using local::Connection;
using local::Descriptor;
using local::Poller;
using local::Ready;

constexpr int kThreads = 2;
constexpr uint64_t kStopToken = 0, kListenerToken = 1, kFirstConnectionToken = 2;

class LocalServer final : public Server {
 public:
  LocalServer(const config::LocalListener& listener, Access access,
              const models::Repository& repository, pipeline::Pipelines& pipelines,
              const std::string& version)
      : access_(std::move(access)),
        shared_(new local::Shared{repository,
                                  pipelines,
                                  version,
                                  listener,
                                  std::make_shared<local::UserLimits>(listener.max_user_connections,
                                                                      listener.max_user_bytes),
                                  {}}),
        stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        reserve_(open_reserve()) {}

  ~LocalServer() override { shut_down(0); }

  Status listen() {
    INFERD_ASSIGN_OR_RETURN(listener_, ListeningSocket::open_packets(shared_->limits.path,
                                                                     shared_->limits.socket_mode));
    const Poller& poller = shared_->poller;
    if (!poller.is_open() || !poller.watch(stop_.get(), kStopToken) ||
        !poller.watch(listener_->fd(), kListenerToken)) {
      return unavailable("cannot watch the socket '" + shared_->limits.path + "'");
    }
    for (int i = 0; i < kThreads; ++i) {
      // Allocated here: a thread may begin to run after the first requests.
      std::vector<std::byte> buffer(Connection::kReceiveBytes);
      auto worker = std::make_unique<telemetry::Worker>("a thread of the local socket " +
                                                        shared_->limits.path);
      threads_.emplace_back([this, buffer = std::move(buffer),
                             worker = std::move(worker)]() mutable { serve(buffer, *worker); });
    }
    return ok_status();
  }

  void announce_shutdown() override {
    if (listener_ != nullptr && listener_->is_kept()) shared_->poller.forget(listener_->fd());
  }

  void shut_down(int64_t timeout_ms) override {
    if (listener_ == nullptr) return;
    LocalServer::announce_shutdown();
    shared_->stopping = true;
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!is_idle() && Clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const uint64_t one = 1;
    static_cast<void>(!::write(stop_.get(), &one, sizeof one));
    for (std::thread& thread : threads_) thread.join();
    for (const auto& [token, connection] : connections_) {
      connection->end();
      connection->forget_watches();
    }
    connections_.clear();
    listener_ = nullptr;
  }

 private:
  static Descriptor open_reserve() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

  void serve(std::span<std::byte> buffer, telemetry::Worker& worker) {
    for (Poller::Event event; wait(event);) {
      const telemetry::Work work(worker);
      if (event.token == kListenerToken) {
        accept_all();
      } else if (const auto connection = find(event.token)) {
        serve(*connection, event, buffer);
      }
    }
    // Edges are told once: the others have to be told, too.
    const uint64_t one = 1;
    static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  }

  // False: time to stop.
  bool wait(Poller::Event& event) {
    ++listening_;
    if (!look_out(event)) {
      while (!shared_->poller.wait(event)) {
      }
    }
    --listening_;
    return event.token != kStopToken;
  }

  // What comes soon is found without being woken for it; by one thread, or they would look for each
  // other's.
  bool look_out(Poller::Event& event) {
    const int64_t spin_ns = int64_t{shared_->limits.spin_us} * 1000;
    if (spin_ns == 0 || looks_out_.exchange(true)) return false;
    const int64_t until = schedule::now_ns() + spin_ns;
    bool found = false;
    while (!found && schedule::now_ns() < until) found = shared_->poller.look(event);
    looks_out_ = false;
    return found;
  }

  void serve(Connection& connection, const Poller::Event& event, std::span<std::byte> buffer) {
    if (event.writable) connection.send_waiting();
    if (event.readable) {
      if (std::optional<Ready> ready = connection.receive(buffer)) {
        ready->request.run_here = listening_ > 0;
        ready->model->queue->submit(std::move(ready->request));
      }
    }
    if (!connection.has_ended()) return;
    connection.forget_watches();
    forget(event.token, connection);
  }

  void accept_all() {
    for (;;) {
      Descriptor socket(::accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (socket.is_open()) {
        admit(std::move(socket));
      } else if (errno == EMFILE || errno == ENFILE) {
        refuse_without_descriptors();
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;
      }
    }
  }

  // The daemon has no descriptor left: one is kept for telling that to who knocks.
  void refuse_without_descriptors() {
    const std::lock_guard lock(mutex_);
    reserve_ = Descriptor();
    const Descriptor socket(
        ::accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.is_open()) refuse(socket, resource_exhausted("the daemon has too many open files"));
    reserve_ = open_reserve();
  }

  static void refuse(const Descriptor& socket, const Status& status) {
    std::vector<std::byte> bytes;
    const auto frame = local::write_error(local::FrameWriter(bytes), local::kViolation, 0, status);
    ::send(socket.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  void admit(Descriptor socket) {
    auto process = process_behind(socket.get());
    if (!process.ok()) return;
    const uid_t uid = process->uid;
    Peer peer;
    peer.process = *std::move(process);
    const Roles roles = access_.roles_of(peer);
    if (const Status status = check_role(roles, Role::kInfer, "the local socket"); !status.ok())
      return refuse(socket, status);
    const std::lock_guard lock(mutex_);
    const int limit = shared_->limits.max_connections;
    if (connections_.size() >= static_cast<size_t>(limit)) {
      return refuse(socket, resource_exhausted("there are " + std::to_string(limit) +
                                               " connections (max_connections)"));
    }
    const int fd = socket.get();
    const uint64_t token = next_token_++;
    if (const Status status = shared_->users->add_connection(uid); !status.ok())
      return refuse(socket, status);
    connections_.emplace(
        token, std::make_shared<Connection>(std::move(socket), token, *std::move(peer.process),
                                            roles, shared_));
    if (!shared_->poller.watch(fd, token)) connections_.erase(token);
  }

  std::shared_ptr<Connection> find(uint64_t token) const {
    const std::lock_guard lock(mutex_);
    const auto at = connections_.find(token);
    return at == connections_.end() ? nullptr : at->second;
  }

  void forget(uint64_t token, const Connection& connection) {
    const std::lock_guard lock(mutex_);
    shared_->poller.forget(connection.socket());
    connections_.erase(token);
  }

  bool is_idle() const {
    const std::lock_guard lock(mutex_);
    return std::all_of(connections_.begin(), connections_.end(),
                       [](const auto& entry) { return entry.second->is_idle(); });
  }

  const Access access_;
  const std::shared_ptr<local::Shared> shared_;
  const Descriptor stop_;
  std::unique_ptr<ListeningSocket> listener_;
  std::vector<std::thread> threads_;
  std::atomic<int> listening_{0};       // of them
  std::atomic<bool> looks_out_{false};  // one of them does
  mutable std::mutex mutex_;
  Descriptor reserve_;                                           // by mutex_
  uint64_t next_token_ = kFirstConnectionToken;                  // by mutex_
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;  // by mutex_
};

}  // namespace

Result<std::unique_ptr<Server>> start_local(const config::LocalListener& listener,
                                            const models::Repository& repository,
                                            pipeline::Pipelines& pipelines,
                                            const std::string& version) {
  INFERD_ASSIGN_OR_RETURN(Access access, Access::create(listener.allow));
  auto server =
      std::make_unique<LocalServer>(listener, std::move(access), repository, pipelines, version);
  INFERD_RETURN_IF_ERROR(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace inferd::serve
