// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/body_stream.h"

#include <netdb.h>
#include <poll.h>

#include <array>

namespace inferd::serve {

int fd_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

std::string address_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  std::array<char, NI_MAXHOST> text{};
  if (info == nullptr || info->client_addr == nullptr) return "";
  const socklen_t size =
      info->client_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const int error =
      getnameinfo(info->client_addr, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? text.data() : "";
}

bool client_gone(int fd) {
  pollfd state{fd, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

MHD_Response* BodyStream::make_response() {
  constexpr size_t kBlockBytes = 32 << 10;
  auto* const self = new std::shared_ptr<BodyStream>(shared_from_this());
  MHD_Response* response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, &BodyStream::read, self,
      [](void* owned) { delete static_cast<std::shared_ptr<BodyStream>*>(owned); });
  if (response == nullptr) {
    delete self;
    return nullptr;
  }
  if (stream_.start) {
    stream_.start([weak = weak_from_this()] {
      if (const auto stream = weak.lock()) stream->wake();
    });
  }
  return response;
}

void BodyStream::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  resume();
}

void BodyStream::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  resume();
}

void BodyStream::detach() {
  {
    const std::lock_guard lock(mutex_);
    connection_ = nullptr;
  }
  stream_ = {};
}

void BodyStream::resume() {
  if (!suspended_ || connection_ == nullptr) return;
  suspended_ = false;
  MHD_resume_connection(connection_);
}

ssize_t BodyStream::read(void* self, uint64_t, char* buffer, size_t size) {
  return (*static_cast<std::shared_ptr<BodyStream>*>(self))->pull({buffer, size});
}

ssize_t BodyStream::pull(std::span<char> buffer) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      woken_ = false;
      if (ended_) return MHD_CONTENT_READER_END_OF_STREAM;
    }
    // Without the lock: who wakes the stream may hold what pull() wants.
    const Chunk chunk = stream_.pull(buffer);
    if (chunk.ended) return MHD_CONTENT_READER_END_OF_STREAM;
    if (chunk.bytes > 0) return static_cast<ssize_t>(chunk.bytes);
    const std::lock_guard lock(mutex_);
    if (client_gone(fd_of(connection_))) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (woken_ || ended_) continue;
    suspended_ = true;
    MHD_suspend_connection(connection_);
    return 0;
  }
}

}  // namespace inferd::serve
