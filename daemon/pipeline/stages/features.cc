// SPDX-License-Identifier: Apache-2.0
//
// Spectra, mel bands and cepstra of windows of samples.
#include "media/features.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class FeatureStage final : public Stage {
 public:
  FeatureStage(media::Features features, bool check_rate, bool peak)
      : features_(std::move(features)), check_rate_(check_rate), peak_(peak) {
    frame_.resize(static_cast<size_t>(features_.options().frame));
  }

  // A row for each frame of the samples; in it the features of each column, one after the other.
  Status process(Work& work) override {
    const Samples& in = work.frame->samples;
    const media::FeatureOptions& options = features_.options();
    const int rows = features_.frames(in.rows);
    if (rows == 0 || in.columns == 0) {
      return failed_precondition("a window of " + std::to_string(in.rows) +
                                 " rows is shorter than a frame of " +
                                 std::to_string(options.frame));
    }
    if (check_rate_ && in.rate_hz > 0 && std::abs(in.rate_hz - options.rate_hz) > 1e-3)
      return failed_precondition("the samples come at " + std::to_string(std::llround(in.rate_hz)) +
                                 " a second, and 'rate' says " +
                                 std::to_string(std::llround(options.rate_hz)));
    const auto width = static_cast<size_t>(features_.width());
    const size_t columns = static_cast<size_t>(in.columns) * width;
    if (columns > kMaxValues / static_cast<size_t>(rows))
      return failed_precondition(std::to_string(rows) + " frames of " + std::to_string(columns) +
                                 " features are too many: they need a larger 'hop', fewer "
                                 "'points' or bands");
    Ref<SharedFrame> shown = pool_.get();
    Samples& out = shown->samples;
    out.rows = rows;
    out.columns = static_cast<int>(columns);
    out.rate_hz = in.rate_hz / options.hop;
    out.values.resize(static_cast<size_t>(rows) * columns);
    for (int c = 0; c < in.columns; ++c) {
      const float gain = peak_ ? gain_of(in, c) : 1;
      for (int r = 0; r < rows; ++r) {
        for (int n = 0; n < options.frame; ++n) {
          const size_t at = static_cast<size_t>(r * options.hop + n);
          frame_[static_cast<size_t>(n)] =
              gain * in.values[at * static_cast<size_t>(in.columns) + static_cast<size_t>(c)];
        }
        const size_t begin = static_cast<size_t>(r) * columns + static_cast<size_t>(c) * width;
        features_.compute(frame_, std::span(out.values).subspan(begin, width));
      }
    }
    shown->identify_as(*work.frame);
    work.show(std::move(shown));
    return ok_status();
  }

 private:
  static constexpr size_t kMaxValues = 16 << 20;

  // That makes the column's largest value 1.
  static float gain_of(const Samples& in, int column) {
    float largest = 0;
    for (size_t i = static_cast<size_t>(column); i < in.values.size();
         i += static_cast<size_t>(in.columns)) {
      largest = std::max(largest, in.values[i]);
    }
    return largest > 0 ? 1 / largest : 1;
  }

  media::Features features_;
  const bool check_rate_, peak_;
  std::vector<float> frame_;
  Pool<SharedFrame> pool_;
};

// What all three stages say: frames, in samples or milliseconds, and their transform.
Status read_frames(config::NodeReader& r, const config::NodeConfig& node,
                   media::FeatureOptions& options) {
  options.rate_hz = r.number("rate", options.rate_hz, 1e-3, 1e9);
  const auto length = [&](const std::string& key, int fallback) {
    const double ms = r.number(key + "_ms", 0, 0.001, 1e6);
    const auto given = static_cast<int>(r.integer(key, 0, 1, 1 << 20));
    if (given > 0) return given;
    return ms > 0 ? static_cast<int>(std::min(std::round(ms * options.rate_hz / 1000), 2e9))
                  : fallback;
  };
  options.frame = length("frame", options.frame);
  options.hop = length("hop", options.hop);
  for (const char* key : {"frame", "hop"}) {
    if (r.has(key) && r.has(std::string(key) + "_ms"))
      return invalid_argument(node.mark.to_string() + ": '" + node.type + "' has either '" + key +
                              "' in samples or '" + key + "_ms'");
  }
  const auto wide = static_cast<uint32_t>(std::clamp(options.frame, 2, 1 << 20));
  options.points = static_cast<int>(r.integer("points", std::bit_ceil(wide), 2, 1 << 20));
  const std::string window = r.one_of("window", "hann", {"hann", "hamming", "rectangle"});
  options.window = window == "hann"      ? media::WindowShape::kHann
                   : window == "hamming" ? media::WindowShape::kHamming
                                         : media::WindowShape::kRectangle;
  return ok_status();
}

void read_log(config::NodeReader& r, media::LogKind fallback, media::FeatureOptions& options) {
  options.power = static_cast<int>(r.integer("power", options.power, 1, 2));
  const char* names[] = {"none", "ln", "db"};
  const std::string log =
      r.one_of("log", names[static_cast<size_t>(fallback)], {"none", "ln", "db"});
  options.log = log == "none" ? media::LogKind::kNone
                : log == "ln" ? media::LogKind::kNatural
                              : media::LogKind::kDecibel;
  options.offset = r.number("offset", options.offset, 0, 1e6);
}

void read_bands(config::NodeReader& r, int fallback, media::FeatureOptions& options) {
  options.bands = static_cast<int>(r.integer("bands", fallback, 1, 4096));
  options.style = r.one_of("style", "tensorflow", {"tensorflow", "librosa"}) == "librosa"
                      ? media::MelStyle::kLibrosa
                      : media::MelStyle::kTensorflow;
  const bool librosa = options.style == media::MelStyle::kLibrosa;
  options.low_hz = r.number("low_hz", librosa ? 0 : 20, 0, 1e9);
  options.high_hz = r.number("high_hz", options.rate_hz / (librosa ? 2 : 4), 0, 1e9);
}

StageResult make_features(const config::NodeConfig& node, config::NodeReader& r,
                          const media::FeatureOptions& options, bool check_rate,
                          StageContext& context) {
  const std::string where = node.mark.to_string() + ": '" + node.type + "'";
  const bool peak = r.boolean("peak", false);
  INFERD_RETURN_IF_ERROR(r.finish());
  auto features = media::Features::create(options);
  if (!features.ok()) return features.status().with_context(where);
  Signal& signal = context.signal;
  if (!signal.samples)
    return invalid_argument(where + " needs samples: a source of sound or numbers before it");
  int64_t rows = signal.rows;
  if (rows == 0 && check_rate) rows = std::llround(std::min(signal.seconds * options.rate_hz, 1e9));
  if (rows > 0 && features->frames(rows) == 0)
    return invalid_argument(where + " takes frames of " + std::to_string(options.frame) +
                            " rows, and the window before has " + std::to_string(rows));
  signal.rows = features->frames(rows);
  signal.columns *= features->width();
  signal.seconds = 0;
  return std::unique_ptr<Stage>(
      std::make_unique<FeatureStage>(*std::move(features), check_rate, peak));
}

StageResult make_mel(const config::NodeConfig& node, StageContext& context, bool cepstra) {
  config::NodeReader r(node);
  media::FeatureOptions options;
  INFERD_RETURN_IF_ERROR(read_frames(r, node, options));
  read_log(r, media::LogKind::kNatural, options);
  read_bands(r, 40, options);
  if (cepstra) options.coefficients = static_cast<int>(r.integer("coefficients", 10, 1, 4096));
  return make_features(node, r, options, true, context);
}

}  // namespace

StageResult make_spectrum(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  // The whole window, where its length is known.
  const int rows = context.signal.rows > 0 ? context.signal.rows : 256;
  media::FeatureOptions options{.frame = rows, .hop = rows};
  INFERD_RETURN_IF_ERROR(read_frames(r, node, options));
  if (!r.has("hop") && !r.has("hop_ms")) options.hop = options.frame;
  read_log(r, media::LogKind::kNone, options);
  const bool by_time = r.has("rate") || r.has("frame_ms") || r.has("hop_ms");
  return make_features(node, r, options, by_time, context);
}

StageResult make_log_mel(const config::NodeConfig& node, StageContext& context) {
  return make_mel(node, context, false);
}

StageResult make_mfcc(const config::NodeConfig& node, StageContext& context) {
  return make_mel(node, context, true);
}

}  // namespace inferd::pipeline
