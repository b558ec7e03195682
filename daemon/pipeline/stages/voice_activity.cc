// SPDX-License-Identifier: Apache-2.0
//
// From how probable it is that windows of sound hold speech to the pieces in which somebody speaks,
// as Silero's get_speech_timestamps decides them (https://github.com/snakers4/silero-vad).
#include <algorithm>
#include <optional>

#include "daemon/pipeline/stages/expression.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

struct VoiceOptions {
  std::string name;
  double on = 0, off = 0;
  int64_t min_speech_ns = 0, min_silence_ns = 0, pad_ns = 0;
  bool changes_only = false;
};

class VoiceActivity final : public Stage {
 public:
  VoiceActivity(VoiceOptions options, std::unique_ptr<Expression> probability)
      : options_(std::move(options)), probability_(std::move(probability)) {}

  Status process(Work& work) override {
    const Frame& frame = *work.frame;
    if (frame.lasted_ns <= 0)
      return failed_precondition("it needs windows of samples that have a rate");
    const bool spoke = speaking_;
    std::optional<int64_t> ended;
    if (frame.stream != stream_) {  // what is behind a gap is said anew
      ended = end(now_);
      stream_ = frame.stream;
      before_stream_ = now_;
    }
    const int64_t begin = now_;  // of what this window has that the one before had not
    now_ = std::max(before_stream_ + frame.lasted_ns, begin);
    hear(probability_->of(work), begin, ended);
    tell(work, ended);
    work.gated = options_.changes_only && speaking_ == spoke && !ended;
    return ok_status();
  }

 private:
  // One piece at a time is told of: none begins with the window in which another has `ended`.
  void hear(double probability, int64_t begin, std::optional<int64_t>& ended) {
    if (probability >= options_.on) {
      silent_since_.reset();
      if (!heard_since_) heard_since_ = begin;
    } else if (heard_since_ && !(probability >= options_.off)) {
      if (!silent_since_) silent_since_ = begin;
      if (begin - *silent_since_ >= options_.min_silence_ns) ended = end(*silent_since_);
    }
    if (heard_since_ && !silent_since_ && !speaking_ && !ended &&
        now_ - *heard_since_ > options_.min_speech_ns) {
      speaking_ = true;
      start_ = std::max(*heard_since_ - options_.pad_ns, end_);
    }
  }

  // Where the piece ended; nothing where it was too short to be told of.
  std::optional<int64_t> end(int64_t at) {
    heard_since_.reset();
    silent_since_.reset();
    if (!speaking_) return std::nullopt;
    speaking_ = false;
    end_ = std::min(at + options_.pad_ns, now_);
    return end_;
  }

  void tell(Work& work, std::optional<int64_t> ended) const {
    const auto add = [&](const char* what, int64_t ns) {
      work.values.push_back({options_.name + what, static_cast<double>(ns) * 1e-9});
    };
    work.values.push_back({options_.name, speaking_ ? 1. : 0.});
    add(".now", now_);
    if (speaking_ || ended) add(".start", start_);
    if (ended) add(".end", *ended);
  }

  const VoiceOptions options_;
  const std::unique_ptr<Expression> probability_;
  uint64_t stream_ = 0;
  // In nanoseconds of sound since the first window's begin.
  int64_t now_ = 0, before_stream_ = 0;
  std::optional<int64_t> heard_since_, silent_since_;
  bool speaking_ = false;        // for long enough to be told
  int64_t start_ = 0, end_ = 0;  // of the last piece that was told, its padding included
};

}  // namespace

StageResult make_voice_activity(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  VoiceOptions options;
  options.name = r.text("name", "voice");
  options.on = r.number("on", 0.5, 0, 1);
  options.off = r.number("off", std::max(options.on - 0.15, 0.), 0, options.on);
  const auto milliseconds = [&](const char* key, double fallback) {
    return static_cast<int64_t>(r.number(key, fallback, 0, 3.6e6) * 1e6);
  };
  options.min_speech_ns = milliseconds("min_speech_ms", 250);
  options.min_silence_ns = milliseconds("min_silence_ms", 100);
  options.pad_ns = milliseconds("pad_ms", 30);
  options.changes_only = r.one_of("pass", "all", {"all", "changes"}) == "changes";
  INFERD_ASSIGN_OR_RETURN(auto probability, read_expression(r, node, "of"));
  if (!context.signal.samples)
    return invalid_argument(node.mark.to_string() +
                            ": 'voice_activity' needs windows of sound: 'window' before 'infer'");
  return std::unique_ptr<Stage>(
      std::make_unique<VoiceActivity>(std::move(options), std::move(probability)));
}

}  // namespace inferd::pipeline
