// SPDX-License-Identifier: Apache-2.0
//
// Frames that other processes send to the daemon, over gRPC or the local socket.
#include <algorithm>
#include <cstring>

#include "daemon/pipeline/inlet.h"
#include "daemon/pipeline/sources/left_out.h"
#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

class Push final : public Source {
 public:
  Push(std::shared_ptr<Inlets> inlets, std::shared_ptr<Inlet> inlet, int64_t timeout_ms)
      : inlets_(std::move(inlets)), inlet_(std::move(inlet)), timeout_ns_(timeout_ms * 1'000'000) {}
  ~Push() override { Push::close(); }

  bool live() const override { return true; }
  // It looks after that itself: a frame that comes at last must not wait for the end of a pause.
  int64_t patience_ns() const override { return 0; }

  Status open() override {
    if (inlet_->fd() < 0) return unavailable("the process has no file left to wait with");
    due_ns_ = 0;
    INFERD_RETURN_IF_ERROR(inlets_->add(inlet_));
    inlet_->open();
    return ok_status();
  }

  void close() override {
    inlets_->remove(*inlet_);
    inlet_->close();
  }

  Result<bool> next(Stopper& stopper, Frame& frame) override {
    for (;;) {
      if (stopper.stopped()) return false;
      PushedFrame pushed;
      if (inlet_->take(pushed)) {
        if (!show(std::move(pushed), frame)) continue;
        due_ns_ = timeout_ns_ == 0 ? 0 : schedule::now_ns() + timeout_ns_;
        return true;
      }
      pollfd file{inlet_->fd(), POLLIN, 0};
      if (!wait_for(stopper, {&file, 1}, left_ms())) return false;
      if (due_ns_ != 0 && schedule::now_ns() >= due_ns_) {
        return unavailable("nobody has pushed a frame to '" + inlet_->name() + "' for " +
                           std::to_string(timeout_ns_ / 1'000'000) + " ms");
      }
    }
  }

 private:
  // False: there is nothing to be seen.
  bool show(PushedFrame pushed, Frame& frame) {
    frame.capture_ns = pushed.capture_ns;
    frame.name.clear();
    frame.picture = {};
    frame.samples.rows = 0;
    const std::span bytes(reinterpret_cast<const uint8_t*>(pushed.bytes.data()),
                          pushed.bytes.size());
    if (pushed.kind == PushedFrame::Kind::kSamples) {
      show_samples(bytes, frame.samples);
    } else {
      const Status shown = pushed.kind == PushedFrame::Kind::kPixels
                               ? show_pixels(pushed, bytes, frame)
                               : decode(bytes, frame);
      if (!shown.ok()) {
        pushed.lease->note(Fate::kFailed);
        bad_.add(shown.message());
        return false;
      }
    }
    frame.fate = pushed.lease.get();
    frame.lease = std::move(pushed.lease);
    return true;
  }

  void show_samples(std::span<const uint8_t> bytes, Samples& samples) const {
    samples.names = inlet_->shape().columns;
    samples.columns = static_cast<int>(samples.names->size());
    samples.values.resize(bytes.size() / sizeof(float));
    std::memcpy(samples.values.data(), bytes.data(), samples.values.size() * sizeof(float));
    samples.rows = static_cast<int>(samples.values.size() / samples.names->size());
  }

  static Status show_pixels(const PushedFrame& pushed, std::span<const uint8_t> bytes,
                            Frame& frame) {
    auto picture = pushed.stride == 0
                       ? media::packed_picture(pushed.format, pushed.width, pushed.height, bytes)
                       : media::strided_picture(pushed.format, pushed.width, pushed.height,
                                                pushed.stride, bytes);
    if (picture.ok()) frame.picture = *picture;
    return picture.status();
  }

  Status decode(std::span<const uint8_t> bytes, Frame& frame) const {
    const InletShape& shape = inlet_->shape();
    INFERD_ASSIGN_OR_RETURN(frame.image,
                            media::decode_image(bytes, int64_t{shape.width} * shape.height));
    if (frame.image.width != shape.width || frame.image.height != shape.height) {
      return invalid_argument("it has " + std::to_string(frame.image.width) + "x" +
                              std::to_string(frame.image.height) + " pixels, not " +
                              std::to_string(shape.width) + "x" + std::to_string(shape.height));
    }
    frame.picture = media::view_of(frame.image);
    return ok_status();
  }

  // Until a frame is due; -1: any time.
  int left_ms() const {
    if (due_ns_ == 0) return -1;
    const int64_t left_ns = std::max<int64_t>(due_ns_ - schedule::now_ns(), 0);
    return static_cast<int>((left_ns + 999'999) / 1'000'000);
  }

  const std::shared_ptr<Inlets> inlets_;
  const std::shared_ptr<Inlet> inlet_;
  const int64_t timeout_ns_;
  int64_t due_ns_ = 0;  // the next frame, once one has come; 0: any time
  LeftOut bad_{"source push: '" + inlet_->name() + "': a picture is left out"};
};

Status check_columns(const config::NodeConfig& node, const std::vector<std::string>& columns) {
  constexpr size_t kMaxColumns = 1024;
  if (columns.size() > kMaxColumns)
    return invalid_argument(node.mark.to_string() + ": 'push' has more than " +
                            std::to_string(kMaxColumns) + " columns");
  for (const std::string& column : columns) {
    if (column.empty() || std::count(columns.begin(), columns.end(), column) > 1)
      return invalid_argument(node.mark.to_string() + ": 'push' has a column '" + column +
                              "', which is empty or there twice");
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Source>> make_push(const config::NodeConfig& node,
                                          const std::shared_ptr<Inlets>& inlets) {
  config::NodeReader r(node);
  InletShape shape;
  const std::string name = r.required_text("name");
  const std::vector<std::string> columns = r.list("columns");
  shape.width = static_cast<int>(r.integer("width", 0, 1, 65536));
  shape.height = static_cast<int>(r.integer("height", 0, 1, 65536));
  const std::string format = r.text("format", "rgb");
  const int64_t queue = r.integer("queue", 1, 1, 256);
  const int64_t timeout_ms = r.integer("timeout_ms", 0, 0, 86'400'000);
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string at = node.mark.to_string() + ": 'push' ";
  constexpr size_t kMaxName = 256;
  if (name.size() > kMaxName)
    return invalid_argument(at + "has a 'name' of more than " + std::to_string(kMaxName) +
                            " bytes");
  if (columns.empty() == (shape.width == 0 || shape.height == 0) ||
      (!columns.empty() && (shape.width != 0 || shape.height != 0 || r.has("format")))) {
    return invalid_argument(
        at + "needs either 'width' and 'height', for pictures, or 'columns', for samples");
  }
  if (columns.empty()) {
    const auto known = media::parse_pixel_format(format);
    if (!known.ok())
      return invalid_argument(node.entries.at("format").mark.to_string() + ": " +
                              known.status().message());
    shape.format = *known;
    const auto bytes = media::packed_bytes(shape.format, shape.width, shape.height);
    if (!bytes.ok()) return invalid_argument(at + "cannot be: " + bytes.status().message());
  } else {
    INFERD_RETURN_IF_ERROR(check_columns(node, columns));
    shape.columns = std::make_shared<const std::vector<std::string>>(columns);
  }
  auto inlet = std::make_shared<Inlet>(name, std::move(shape), static_cast<size_t>(queue));
  return std::unique_ptr<Source>(std::make_unique<Push>(
      inlets != nullptr ? inlets : std::make_shared<Inlets>(), std::move(inlet), timeout_ms));
}

}  // namespace inferd::pipeline
