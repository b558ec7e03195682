// SPDX-License-Identifier: Apache-2.0
//
// Sound from a file, in chunks.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "daemon/pipeline/sources/sources.h"
#include "media/sound.h"

namespace inferd::pipeline {
namespace {

struct Options {
  std::string path;
  int64_t chunk_ms = 100;
  bool live = true;
  bool loop = false;
};

class Wav final : public Source {
 public:
  explicit Wav(Options options)
      : options_(std::move(options)), name_(std::filesystem::path(options_.path).filename()) {}

  bool live() const override { return options_.live; }
  int64_t patience_ns() const override { return 0; }  // it may be as slow as it is told to be

  Status open() override {
    INFERD_ASSIGN_OR_RETURN(sound_, media::read_sound(options_.path));
    if (sound_.samples.empty()) return data_loss(options_.path + " has no samples");
    at_ = 0;
    played_ = 0;
    begin_ns_ = 0;
    return ok_status();
  }

  // The last chunk is as long as what is left of the file.
  Result<bool> next(Stopper& stopper, Frame& frame) override {
    if (at_ == sound_.samples.size()) {
      if (!options_.loop || sound_.samples.empty()) return false;
      at_ = 0;
    }
    const auto full =
        static_cast<size_t>(std::max<int64_t>(int64_t{sound_.rate} * options_.chunk_ms / 1000, 1));
    const size_t rows = std::min(full, sound_.samples.size() - at_);
    played_ += rows;
    if (options_.live) {
      if (begin_ns_ == 0) begin_ns_ = schedule::now_ns();
      // As a microphone would: a chunk is there when its last sample is.
      frame.capture_ns = begin_ns_ + std::llround(1e9 * static_cast<double>(played_) / sound_.rate);
      if (!stopper.wait_until(frame.capture_ns)) return false;
    } else {
      if (stopper.stopped()) return false;
      frame.capture_ns = schedule::now_ns();
    }
    Samples& samples = frame.samples;
    samples.rows = static_cast<int>(rows);
    samples.columns = 1;
    samples.rate_hz = sound_.rate;
    samples.names = nullptr;
    const auto begin = sound_.samples.begin() + static_cast<ptrdiff_t>(at_);
    samples.values.assign(begin, begin + static_cast<ptrdiff_t>(rows));
    at_ += rows;
    frame.picture = {};
    frame.name = name_;
    return true;
  }

 private:
  const Options options_;
  const std::string name_;
  media::Sound sound_;
  size_t at_ = 0;        // the next sample
  uint64_t played_ = 0;  // samples since it was opened
  int64_t begin_ns_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> make_wav(const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.path = r.required_text("path");
  options.chunk_ms = r.integer("chunk_ms", options.chunk_ms, 1, 60'000);
  options.live = r.boolean("live", options.live);
  options.loop = r.boolean("loop", options.loop);
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Source>(std::make_unique<Wav>(std::move(options)));
}

}  // namespace inferd::pipeline
