// SPDX-License-Identifier: Apache-2.0
//
// One datagram per result. What the network does not take at once is dropped.
//
// Binary datagrams are little-endian: "IFDR", uint8 1 (version), uint8 0, uint16 number of
// detections, uint64 sequence, int64 capture_ns, int64 result_ns, uint16 width, uint16 height,
// uint32 0; then for each detection int32 class, float32 score, float32 x_min, y_min, x_max, y_max,
// uint64 track.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>

#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sinks/options.h"
#include "daemon/pipeline/sinks/sinks.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxDatagram = 65'507;

template <typename T>
void put(T value, std::string& out) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <typename T, typename V>
T clipped(V value) {
  return static_cast<T>(std::min<uint64_t>(static_cast<uint64_t>(std::max<V>(value, 0)),
                                           std::numeric_limits<T>::max()));
}

void append_binary(const FrameResult& r, std::string& out) {
  out += "IFDR";
  put<uint8_t>(1, out);
  put<uint8_t>(0, out);
  put(clipped<uint16_t>(r.detections.size()), out);
  put(r.sequence, out);
  put(r.capture_ns, out);
  put(r.result_ns, out);
  put(clipped<uint16_t>(r.width), out);
  put(clipped<uint16_t>(r.height), out);
  put<uint32_t>(0, out);
  for (const Detection& d : r.detections) {
    put<int32_t>(d.class_id, out);
    for (const float v : {d.score, d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max}) put(v, out);
    put(d.track_id, out);
  }
}

class Udp final : public Sink {
 public:
  Udp(const SocketAddress& address, bool binary) : address_(address), binary_(binary) {}
  ~Udp() override {
    if (fd_ >= 0) ::close(fd_);
  }

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
