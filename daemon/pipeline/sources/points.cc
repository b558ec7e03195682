// SPDX-License-Identifier: Apache-2.0
//
// Points of LiDARs and depth sensors, in datagrams by UDP or by a socket in the file system.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/pipeline/keys.h"
#include "daemon/pipeline/sources/datagram_socket.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/point_scan.h"
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxDatagram = 1 << 18;  // bytes; those of UDP are smaller
constexpr int kReceiveBuffer = 4 << 20;   // a scan may come at once
constexpr size_t kMaxColumns = 64;

struct Options {
  std::string path;  // empty: by UDP
  int64_t port = 0;
  std::string bind = "127.0.0.1";
  bool raw = false;
  PointType type = PointType::kFloat32;  // of raw points, as is the scale
  float scale = 1;
  int64_t points = 0;  // of a frame of raw points; 0: those of a datagram
  size_t max_points = 0;
  int64_t timeout_ms = 0;  // without a frame; 0: any time

  std::string name() const { return path.empty() ? "UDP port " + std::to_string(port) : path; }
};

class Points final : public Source {
 public:
  Points(Options options, std::vector<std::string> columns)
      : options_(std::move(options)),
        names_(std::make_shared<const std::vector<std::string>>(std::move(columns))),
        scan_(names_->size(), options_.max_points),
        left_out_("source points: " + options_.name()) {}

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }

  Status open() override {
    udp_.reset();
    pending_.clear();
    scan_ = PointScan(names_->size(), options_.max_points);
    if (options_.path.empty()) {
      INFERD_ASSIGN_OR_RETURN(udp_, listen_udp(options_.bind, options_.port));
    } else {
      INFERD_RETURN_IF_ERROR(file_.open(options_.path));
    }
    // As much as the kernel allows.
    ::setsockopt(socket(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
    return ok_status();
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override;

 private:
  int socket() const { return options_.path.empty() ? udp_.get() : file_.get(); }
  size_t columns() const { return names_->size(); }
  Result<std::span<const uint8_t>> receive();
  bool add_part(std::span<const uint8_t> datagram, Frame& frame);
  void add_raw(std::span<const uint8_t> datagram);
  bool take_raw(Frame& frame);

  const Options options_;
  const std::shared_ptr<const std::vector<std::string>> names_;
  Descriptor udp_;
  DatagramFile file_;
  PointScan scan_;
  std::vector<float> pending_;  // raw points; fewer than a frame and a datagram have
  int64_t arrived_ns_ = 0;      // the last datagram
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kMaxDatagram);
  LeftOut left_out_;
};

// Empty: there is none now.
Result<std::span<const uint8_t>> Points::receive() {
  const ssize_t got = ::recv(socket(), bytes_.data(), bytes_.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::span<const uint8_t>();
  if (got < 0) return unavailable("cannot read " + options_.name() + ": " + std::strerror(errno));
  if (static_cast<size_t>(got) <= bytes_.size())
    return std::span<const uint8_t>(bytes_.data(), static_cast<size_t>(got));
  left_out_.add("a datagram has " + std::to_string(got) + " bytes");
  return std::span<const uint8_t>();
}

// Of datagrams with headers. True: `frame` is a scan.
bool Points::add_part(std::span<const uint8_t> datagram, Frame& frame) {
  const PointScan::Added added = scan_.add(datagram, frame.samples.values);
  if (!added.left_out.empty()) left_out_.add(added.left_out);
  if (!added.complete) return false;
  const auto time = scan_.unix_ns();
  frame.capture_ns = time ? std::min(monotonic_of(*time), arrived_ns_) : arrived_ns_;
  if (frame.samples.values.empty()) left_out_.add("a scan has no points");
  return !frame.samples.values.empty();
}

void Points::add_raw(std::span<const uint8_t> datagram) {
  const size_t point = columns() * point_type_size(options_.type);
  if (datagram.size() % point == 0)
    return append_points(datagram, options_.type, columns(), options_.scale, pending_);
  left_out_.add("a datagram of " + std::to_string(datagram.size()) +
                " bytes is no whole number of points of " + std::to_string(point));
}

// True: there are enough for a frame.
bool Points::take_raw(Frame& frame) {
  const size_t wanted =
      options_.points == 0 ? pending_.size() : static_cast<size_t>(options_.points) * columns();
  if (pending_.empty() || pending_.size() < wanted) return false;
  const auto end = pending_.begin() + static_cast<ptrdiff_t>(wanted);
  frame.samples.values.assign(pending_.begin(), end);
  pending_.erase(pending_.begin(), end);
  frame.capture_ns = arrived_ns_;
  return true;
}

Result<bool> Points::next(Stopper& stopper, Frame& frame) {
  if (socket() < 0) return failed_precondition("the source is not open");
  Samples& samples = frame.samples;
  samples.columns = static_cast<int>(columns());
  samples.rate_hz = 0;
  samples.values.clear();
  samples.names = names_;
  frame.picture = {};
  frame.name.clear();
  for (bool whole = options_.raw && take_raw(frame); !whole;) {
    pollfd file{socket(), POLLIN, 0};
    if (!wait_for(stopper, {&file, 1})) return false;
    INFERD_ASSIGN_OR_RETURN(const auto datagram, receive());
    if (datagram.empty()) continue;
    arrived_ns_ = schedule::now_ns();
    if (options_.raw) add_raw(datagram);
    whole = options_.raw ? take_raw(frame) : add_part(datagram, frame);
  }
  samples.rows = static_cast<int>(samples.values.size() / columns());
  return true;
}

PointType type_of(const std::string& name) {
  constexpr std::array<const char*, 4> kNames = {"float32", "int16", "uint16", "int32"};
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  return static_cast<PointType>(found - kNames.begin());
}

Status check(const config::NodeConfig& node, const Options& o,
             const std::vector<std::string>& columns) {
  if (o.path.empty() == (o.port == 0))
    return invalid_argument(node.mark.to_string() +
                            ": 'points' needs either 'path', of a socket, or 'udp', a port");
  if (columns.empty() || columns.size() > kMaxColumns)
    return bad_key(node, "columns",
                   "'points' needs 1 to " + std::to_string(kMaxColumns) +
                       " 'columns', such as [x, y, z, intensity]");
  for (auto name = columns.begin(); name != columns.end(); ++name) {
    if (name->empty() || std::find(columns.begin(), name, *name) != name)
      return bad_key(node, "columns", "column '" + *name + "' is there twice, or has no name");
  }
  for (const std::string key : {"type", "scale", "points"}) {
    if (!o.raw && node.entries.contains(key))
      return bad_key(node, key, "'" + key + "' is of 'format: raw'; headers say theirs");
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Source>> make_points(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options o;
  o.path = r.text("path", "");
  o.port = r.integer("udp", 0, 1, 65535);
  o.bind = r.text("bind", o.bind);
  o.raw = r.one_of("format", "headers", {"headers", "raw"}) == "raw";
  o.type = type_of(r.one_of("type", "float32", {"float32", "int16", "uint16", "int32"}));
  o.scale = static_cast<float>(r.number("scale", 1, -1e9, 1e9));
  o.max_points = static_cast<size_t>(r.integer("max_points", 1 << 17, 1, 1 << 22));
  o.points = r.integer("points", 0, 0, static_cast<int64_t>(o.max_points));
  o.timeout_ms = r.integer("timeout_ms", o.timeout_ms, 0, 86'400'000);
  const std::vector<std::string> columns = r.list("columns");
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(check(node, o, columns));
  return std::unique_ptr<Source>(std::make_unique<Points>(std::move(o), columns));
}

}  // namespace inferd::pipeline
