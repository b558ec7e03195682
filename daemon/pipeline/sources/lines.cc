// SPDX-License-Identifier: Apache-2.0
//
// Samples out of lines of text: of a serial line, a pipe, a file, or datagrams.
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/pipeline/sources/datagram_socket.h"
#include "daemon/pipeline/sources/line_rows.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

struct Options {
  std::string path;  // empty: by UDP
  int64_t baud = 0;  // of a serial line; 0: as it is
  int64_t port = 0;
  std::string bind = "127.0.0.1";
  int64_t rows = 1;
  int64_t max_line = 4096;  // bytes
  int64_t timeout_ms = 0;   // without a frame; 0: any time
  bool live = true;

  std::string name() const { return path.empty() ? "UDP port " + std::to_string(port) : path; }
};

struct Speed {
  int64_t baud;
  speed_t code;
};
constexpr Speed kSpeeds[] = {{1200, B1200},       {2400, B2400},       {4800, B4800},
                             {9600, B9600},       {19200, B19200},     {38400, B38400},
                             {57600, B57600},     {115200, B115200},   {230400, B230400},
                             {460800, B460800},   {500000, B500000},   {576000, B576000},
                             {921600, B921600},   {1000000, B1000000}, {1500000, B1500000},
                             {2000000, B2000000}, {3000000, B3000000}, {4000000, B4000000}};

Status error_of(const std::string& what) {
  const int code = errno;
  const std::string text = what + ": " + std::strerror(code);
  if (code == ENOENT) return not_found(text);
  if (code == EACCES) return permission_denied(text + "; serial lines are for the group 'dialout'");
  return unavailable(text);
}

// Bytes as they come, at that speed.
Status set_up_serial(int fd, int64_t baud) {
  termios settings{};
  if (::tcgetattr(fd, &settings) != 0) return error_of("it has no settings");
  ::cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  const auto* speed = std::find_if(std::begin(kSpeeds), std::end(kSpeeds),
                                   [&](const Speed& s) { return s.baud == baud; });
  if (speed != std::end(kSpeeds) && ::cfsetspeed(&settings, speed->code) != 0)
    return error_of("it does not take " + std::to_string(baud) + " baud");
  if (::tcsetattr(fd, TCSANOW, &settings) != 0) return error_of("it does not take its settings");
  return ok_status();
}

class Lines final : public Source {
 public:
  Lines(Options options, LineRows rows) : options_(std::move(options)), rows_(std::move(rows)) {}

  bool live() const override { return options_.live; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }

  Status open() override {
    rows_.clear();
    ended_ = false;
    const Status status = options_.path.empty() ? open_socket() : open_path();
    if (!status.ok()) file_.reset();
    return status;
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override;

 private:
  Status open_path();
  Status open_socket();
  Status read_more();

  const Options options_;
  LineRows rows_;
  Descriptor file_;
  bool is_file_ = false;  // which ends
  bool ended_ = false;
  std::vector<char> bytes_ = std::vector<char>(65536);
};

Status Lines::open_path() {
  struct stat status {};
  if (::stat(options_.path.c_str(), &status) != 0) return error_of("cannot open " + options_.path);
  // A pipe that is open for writing too does not end when the last writer goes.
  const int mode = S_ISFIFO(status.st_mode) ? O_RDWR : O_RDONLY;
  file_.reset(::open(options_.path.c_str(), mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file_.valid()) return error_of("cannot open " + options_.path);
  is_file_ = S_ISREG(status.st_mode);
  if (::isatty(file_.get()) == 1)
    return set_up_serial(file_.get(), options_.baud).with_context(options_.path);
  if (options_.baud != 0)
    return invalid_argument(options_.path + " is no serial line, so it has no 'baud'");
  return ok_status();
}

Status Lines::open_socket() {
  file_.reset();  // whose port it is
  INFERD_ASSIGN_OR_RETURN(file_, listen_udp(options_.bind, options_.port));
  return ok_status();
}

// Whatever is there; a datagram ends its last line.
Status Lines::read_more() {
  const ssize_t got = ::read(file_.get(), bytes_.data(), bytes_.size());
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return ok_status();
    return error_of("cannot read " + options_.name());
  }
  rows_.add({bytes_.data(), static_cast<size_t>(got)});
  if (options_.path.empty()) {
    if (got > 0 && bytes_[static_cast<size_t>(got) - 1] != '\n') rows_.add("\n");
  } else if (got == 0) {
    if (!is_file_) return unavailable(options_.path + " has ended; was it unplugged?");
    rows_.add("\n");
    ended_ = true;
  }
  return ok_status();
}

Result<bool> Lines::next(Stopper& stopper, Frame& frame) {
  if (!file_.valid()) return failed_precondition("the source is not open");
  rows_.begin(frame);
  for (;;) {
    if (stopper.stopped()) return false;
    rows_.parse(frame, options_.rows, schedule::now_ns());
    // The last frame of a file may have fewer rows.
    const int got = frame.samples.rows;
    if (got == options_.rows || (ended_ && got > 0)) return true;
    if (ended_) return false;
    pollfd file{file_.get(), POLLIN, 0};
    if (!wait_for(stopper, {&file, 1})) return false;
    INFERD_RETURN_IF_ERROR(read_more());
  }
}

}  // namespace

Result<std::unique_ptr<Source>> make_lines(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.path = r.text("path", "");
  options.baud = r.integer("baud", 0, 1200, 4'000'000);
  options.port = r.integer("udp", 0, 1, 65535);
  options.bind = r.text("bind", options.bind);
  options.rows = r.integer("rows", options.rows, 1, 65536);
  options.max_line = r.integer("max_line", options.max_line, 1, 1 << 20);
  options.timeout_ms = r.integer("timeout_ms", options.timeout_ms, 0, 86'400'000);
  options.live = r.boolean("live", options.live);
  LineKeys keys = read_line_keys(r);
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string at = node.mark.to_string() + ": 'lines' ";
  if (options.path.empty() == (options.port == 0))
    return invalid_argument(at + "needs either 'path' or 'udp', a port");
  const bool known =
      options.baud == 0 || std::any_of(std::begin(kSpeeds), std::end(kSpeeds),
                                       [&](const Speed& s) { return s.baud == options.baud; });
  if (!known)
    return invalid_argument(node.entries.at("baud").mark.to_string() + ": serial lines have no " +
                            std::to_string(options.baud) + " baud");
  INFERD_ASSIGN_OR_RETURN(LineRows rows, LineRows::create(node, std::move(keys), options.name(),
                                                          static_cast<size_t>(options.max_line)));
  return std::unique_ptr<Source>(std::make_unique<Lines>(std::move(options), std::move(rows)));
}

}  // namespace inferd::pipeline
