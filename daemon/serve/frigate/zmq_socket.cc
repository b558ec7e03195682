// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/frigate/zmq_socket.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <array>

namespace inferd::serve::frigate {
namespace {

constexpr int64_t kMaxPartBytes = 16 << 20;  // who sends a larger one is disconnected
constexpr int kMaxUnread = 2;                // messages of one client

// One part, and whether another one follows. Negative: nothing is there.
int receive_part(void* socket, std::string& text) {
  zmq_msg_t part;
  zmq_msg_init(&part);
  int more = -1;
  // Parts of one message come together, so the others are there with the first.
  if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0) {
    text.assign(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
    more = zmq_msg_more(&part);
  }
  zmq_msg_close(&part);
  return more;
}

}  // namespace

Result<std::unique_ptr<ZmqSocket>> ZmqSocket::listen(const std::string& address, int mode) {
  std::unique_ptr<ZmqSocket> made(new ZmqSocket());
  INFERD_ASSIGN_OR_RETURN(made->listening_, ListeningSocket::open(address, mode));
  made->woken_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  made->context_ = zmq_ctx_new();
  if (made->woken_ < 0 || made->context_ == nullptr)
    return unavailable("cannot listen on '" + address + "': the process has no file left");
  made->socket_ = zmq_socket(made->context_, ZMQ_ROUTER);
  // The library closes what it is given.
  const int fd = ::fcntl(made->listening_->fd(), F_DUPFD_CLOEXEC, 0);
  bool done = made->socket_ != nullptr && fd >= 0;
  const auto set = [&](int option, const auto& value) {
    done = done && zmq_setsockopt(made->socket_, option, &value, sizeof value) == 0;
  };
  set(ZMQ_LINGER, 0);
  set(ZMQ_RCVHWM, kMaxUnread);
  set(ZMQ_MAXMSGSIZE, kMaxPartBytes);
  set(ZMQ_USE_FD, fd);
  const std::string& at = made->address();
  const std::string endpoint = at.starts_with("unix:") ? "ipc://" + at.substr(5) : "tcp://" + at;
  done = done && zmq_bind(made->socket_, endpoint.c_str()) == 0;
  if (!done) {
    return unavailable("cannot listen on '" + address + "': " + zmq_strerror(zmq_errno()));
  }
  return made;
}

ZmqSocket::~ZmqSocket() {
  if (socket_ != nullptr) zmq_close(socket_);
  if (context_ != nullptr) zmq_ctx_term(context_);
  if (woken_ >= 0) ::close(woken_);
}

bool ZmqSocket::wait() {
  std::array<zmq_pollitem_t, 2> items = {zmq_pollitem_t{socket_, 0, ZMQ_POLLIN, 0},
                                         zmq_pollitem_t{nullptr, woken_, ZMQ_POLLIN, 0}};
  if (zmq_poll(items.data(), static_cast<int>(items.size()), -1) < 0) return zmq_errno() == EINTR;
  uint64_t count = 0;
  return items[1].revents == 0 || ::read(woken_, &count, sizeof count) > 0;
}

void ZmqSocket::wake() {
  const uint64_t one = 1;
  if (::write(woken_, &one, sizeof one) < 0) return;  // it is awake already
}

bool ZmqSocket::receive(Message& message) {
  constexpr size_t kMostParts = 3;
  int more = receive_part(socket_, message.client);
  if (more < 0) return false;
  message.parts.clear();
  bool is_first = true;  // empty, between the client and what it said
  for (std::string part; more > 0; is_first = false) {
    more = receive_part(socket_, part);
    if (more >= 0 && !is_first && message.parts.size() < kMostParts)
      message.parts.push_back(std::move(part));
  }
  return true;
}

void ZmqSocket::send(const Message& message) {
  const auto part = [&](const std::string& text, bool more) {
    zmq_send(socket_, text.data(), text.size(), ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
  };
  part(message.client, true);
  part("", true);
  for (size_t i = 0; i < message.parts.size(); ++i)
    part(message.parts[i], i + 1 < message.parts.size());
}

}  // namespace inferd::serve::frigate
