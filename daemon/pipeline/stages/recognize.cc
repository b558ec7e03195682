// SPDX-License-Identifier: Apache-2.0
//
// From what single windows sound like to words that were said: the averaging of TensorFlow's
// speech commands example (RecognizeCommands).
#include <algorithm>
#include <deque>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

struct RecognizeOptions {
  int64_t average_ns = 0, suppress_ns = 0;
  size_t min_count = 0;
  float min_score = 0;
  std::vector<std::string> ignore;
  bool new_only = false;
};

class Recognize final : public Stage {
 public:
  explicit Recognize(RecognizeOptions options) : options_(std::move(options)) {}

  Status process(Work& work) override {
    const int64_t now = work.frame->capture_ns;
    remember(work.classes, now);
    average(work.classes);
    const bool is_new = decide(work.classes, now);
    if (is_new) work.text = work.classes[0].label;
    work.gated = options_.new_only && !is_new;
    return ok_status();
  }

 private:
  struct Heard {
    int64_t at_ns = 0;
    std::vector<float> scores;  // by class
  };
  static constexpr size_t kMaxHeard = 1000, kMaxClasses = 10'000;

  // Uses the place of what is too old for what is new.
  void remember(const std::vector<ClassScore>& classes, int64_t now) {
    Heard heard;
    while (!heard_.empty() && (heard_.front().at_ns < now - options_.average_ns ||
                               heard_.front().at_ns > now || heard_.size() >= kMaxHeard)) {
      heard = std::move(heard_.front());
      heard_.pop_front();
    }
    heard.at_ns = now;
    heard.scores.clear();
    for (const ClassScore& c : classes) {
      const auto id = static_cast<size_t>(c.class_id);
      if (c.class_id < 0 || id >= kMaxClasses) continue;
      if (heard.scores.size() <= id) heard.scores.resize(id + 1);
      heard.scores[id] = c.score;
    }
    heard_.push_back(std::move(heard));
  }

  void average(std::vector<ClassScore>& classes) const {
    for (ClassScore& c : classes) {
      float sum = 0;
      for (const Heard& heard : heard_) {
        const auto id = static_cast<size_t>(c.class_id);
        sum += id < heard.scores.size() ? heard.scores[id] : 0;
      }
      c.score = sum / static_cast<float>(heard_.size());
    }
    std::sort(classes.begin(), classes.end(),
              [](const ClassScore& a, const ClassScore& b) { return a.score > b.score; });
  }

  bool decide(const std::vector<ClassScore>& classes, int64_t now) {
    const int64_t known_ns = now - heard_.front().at_ns;
    if (classes.empty() || heard_.size() < options_.min_count || known_ns < options_.average_ns / 4)
      return false;
    const ClassScore& best = classes[0];
    if (best.score < options_.min_score) return false;
    const bool ignored = std::find(options_.ignore.begin(), options_.ignore.end(), best.label) !=
                         options_.ignore.end();
    if (ignored) {
      last_.clear();  // a pause: the same word may come again
      return false;
    }
    if (best.label == last_ || now - last_ns_ < options_.suppress_ns) return false;
    last_ = best.label;
    last_ns_ = now;
    return true;
  }

  const RecognizeOptions options_;
  std::deque<Heard> heard_;  // oldest first
  std::string last_;         // word
  int64_t last_ns_ = INT64_MIN / 2;
};

}  // namespace

StageResult make_recognize(const config::NodeConfig& node, StageContext&) {
  config::NodeReader r(node);
  RecognizeOptions options;
  options.average_ns = static_cast<int64_t>(r.number("average_ms", 1000, 0, 60'000) * 1e6);
  options.suppress_ns = static_cast<int64_t>(r.number("suppress_ms", 1500, 0, 60'000) * 1e6);
  options.min_count = static_cast<size_t>(r.integer("min_count", 3, 1, 1000));
  options.min_score = static_cast<float>(r.number("min_score", 0.7, 0, 1));
  options.ignore = r.list("ignore");
  options.new_only = r.one_of("pass", "all", {"all", "new"}) == "new";
  INFERD_RETURN_IF_ERROR(r.finish());
  return std::unique_ptr<Stage>(std::make_unique<Recognize>(std::move(options)));
}

}  // namespace inferd::pipeline
