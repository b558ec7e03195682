// SPDX-License-Identifier: Apache-2.0
//
// One datagram per result. What the network does not take at once is dropped.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "daemon/pipeline/result_binary.h"
#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxDatagram = 65'507;

class Udp final : public Sink {
 public:
  Udp(const SocketAddress& address, bool binary) : address_(address), binary_(binary) {}
  ~Udp() override {
    if (fd_ >= 0) ::close(fd_);
  }

  bool looks() const override { return false; }
  Status write(const Frame&, const FrameResult& result) override {
    datagram_.clear();
    if (binary_) {
      append_binary(result, datagram_);
    } else {
      append_json(result, datagram_);
    }
    const Status sent = send();
    {
      const std::lock_guard lock(mutex_);
      if (!sent.ok()) {
        ++status_.dropped;
        status_.last_error = sent.message();
      }
      status_.state = sent.ok() ? "sending" : "failing";
    }
    return troubles_.next(status());
  }

  SinkStatus status() const override {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  Status send() {
    if (datagram_.size() > kMaxDatagram)
      return resource_exhausted("a result is too large for a datagram");
    if (fd_ < 0) fd_ = ::socket(address_.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const ssize_t n = ::sendto(fd_, datagram_.data(), datagram_.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address_.storage), address_.size);
    return n >= 0 ? ok_status() : unavailable(std::strerror(errno));
  }

  const SocketAddress address_;
  const bool binary_;
  int fd_ = -1;
  std::string datagram_;
  Troubles troubles_;
  mutable std::mutex mutex_;
  SinkStatus status_;  // by mutex_
};

}  // namespace

Result<std::unique_ptr<Sink>> make_udp(const config::NodeConfig& node) {
  config::NodeReader r(node);
  const std::string text = r.required_text("address");
  const bool binary = r.one_of("format", "json", {"json", "binary"}) == "binary";
  INFERD_RETURN_IF_ERROR(r.finish());
  SocketAddress address;
  if (!parse_address(text, address)) {
    return bad_key(node, "address",
                   "'address' must be like 192.168.1.2:5000 or [::1]:5000, no name");
  }
  return std::unique_ptr<Sink>(std::make_unique<Udp>(address, binary));
}

}  // namespace inferd::pipeline
