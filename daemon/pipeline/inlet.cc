// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/inlet.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

std::string size_text(int width, int height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

std::span<const uint8_t> as_uint8(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// Goes out of the lock before the frames in it do: whoever is told that they are gone may do
// anything.
void let_go(std::vector<PushedFrame> frames) {
  for (const PushedFrame& frame : frames) {
    if (frame.lease != nullptr) frame.lease->note(Fate::kStopped);
  }
}

}  // namespace

Inlet::Inlet(std::string name, InletShape shape, size_t capacity)
    : name_(std::move(name)),
      shape_(std::move(shape)),
      capacity_(std::max<size_t>(capacity, 1)),
      fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  frames_.reserve(capacity_);
}

Inlet::~Inlet() {
  close();
  if (fd_ >= 0) ::close(fd_);
}

Status Inlet::check(const PushedFrame& frame) const {
  using Kind = PushedFrame::Kind;
  if (frame.capture_ns < 0) return invalid_argument("the time of capture is negative");
  if ((frame.kind == Kind::kSamples) != (shape_.columns != nullptr)) {
    return invalid_argument("source '" + name_ + "' takes " +
                            (shape_.columns != nullptr ? "samples" : "pictures") + ", not " +
                            (shape_.columns != nullptr ? "pictures" : "samples"));
  }
  if (frame.kind == Kind::kEncoded) return ok_status();  // what it is, decoding shows
  if (frame.kind == Kind::kSamples) {
    const size_t columns = shape_.columns->size();
    if (frame.columns < 0 || static_cast<size_t>(frame.columns) != columns) {
      return invalid_argument("source '" + name_ + "' takes rows of " + std::to_string(columns) +
                              " columns, not " + std::to_string(frame.columns));
    }
    constexpr size_t kMaxRows = 1 << 20;
    const size_t row = columns * sizeof(float);
    if (frame.bytes.empty() || frame.bytes.size() % row != 0 ||
        frame.bytes.size() / row > kMaxRows) {
      return invalid_argument(std::to_string(frame.bytes.size()) +
                              " bytes of samples are not 1 to " + std::to_string(kMaxRows) +
                              " rows of " + std::to_string(row));
    }
    return ok_status();
  }
  if (frame.width != shape_.width || frame.height != shape_.height ||
      frame.format != shape_.format) {
    return invalid_argument(
        "source '" + name_ + "' takes pictures of " + size_text(shape_.width, shape_.height) +
        " in " + media::pixel_format_name(shape_.format) + ", not of " +
        size_text(frame.width, frame.height) + " in " + media::pixel_format_name(frame.format));
  }
  const auto bytes = as_uint8(frame.bytes);
  if (frame.stride == 0)
    return media::packed_picture(frame.format, frame.width, frame.height, bytes).status();
  return media::strided_picture(frame.format, frame.width, frame.height, frame.stride, bytes)
      .status();
}

Result<int64_t> Inlet::put(PushedFrame frame) {
  INFERD_RETURN_IF_ERROR(check(frame));
  const int64_t now = schedule::now_ns();
  const int64_t capture_ns = frame.capture_ns == 0 ? now : std::min(frame.capture_ns, now);
  frame.capture_ns = capture_ns;
  PushedFrame replaced;  // goes after the lock
  {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return unavailable("source '" + name_ + "' takes no frames: its pipeline stops");
    if (frames_.size() == capacity_) {
      replaced = std::move(frames_.front());
      frames_.erase(frames_.begin());
    }
    frames_.push_back(std::move(frame));
  }
  ::eventfd_write(fd_, 1);
  return capture_ns;
}

void Inlet::open() {
  const std::lock_guard lock(mutex_);
  is_open_ = true;
}

void Inlet::close() {
  std::vector<PushedFrame> frames;
  {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
    frames.swap(frames_);
    frames_.reserve(capacity_);
  }
  let_go(std::move(frames));
}

bool Inlet::take(PushedFrame& frame) {
  const std::lock_guard lock(mutex_);
  if (frames_.empty()) {
    eventfd_t count = 0;
    ::eventfd_read(fd_, &count);
    return false;
  }
  frame = std::move(frames_.front());
  frames_.erase(frames_.begin());
  return true;
}

Status Inlets::add(std::shared_ptr<Inlet> inlet) {
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = inlets_.emplace(inlet->name(), inlet);
  if (is_new || at->second == inlet) return ok_status();
  return already_exists("another source is called '" + inlet->name() +
                        "' and is configured differently");
}

void Inlets::remove(const Inlet& inlet) {
  std::shared_ptr<Inlet> gone;  // after the lock
  const std::lock_guard lock(mutex_);
  const auto at = inlets_.find(inlet.name());
  if (at == inlets_.end() || at->second.get() != &inlet) return;
  gone = std::move(at->second);
  inlets_.erase(at);
}

Result<std::shared_ptr<Inlet>> Inlets::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto at = inlets_.find(name);
  if (at != inlets_.end()) return at->second;
  std::string there;
  for (const auto& [known, inlet] : inlets_) there += (there.empty() ? "" : ", ") + known;
  return not_found("no pipeline that runs has a source 'push' with the name '" +
                   std::string(name.substr(0, 256)) + "'; " +
                   (there.empty() ? "there is none at all: see 'push' in docs/pipelines.md"
                                  : "there are: " + there));
}

Result<int64_t> Inlets::put(std::string_view name, PushedFrame frame) const {
  INFERD_ASSIGN_OR_RETURN(const std::shared_ptr<Inlet> inlet, find(name));
  return inlet->put(std::move(frame));
}

}  // namespace inferd::pipeline
