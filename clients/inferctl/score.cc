// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/score.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "clients/inferctl/measure/average_precision.h"
#include "clients/inferctl/measure/box_reader.h"
#include "clients/inferctl/measure/ranking.h"

namespace inferd::ctl {
namespace {

constexpr size_t kTop = 5;

class Accuracy final : public Score {
 public:
  Status add(const LabelledSample& sample, const SampleInput&,
             std::span<const TensorView> outputs) override {
    const auto scores = outputs[0].as<float>();
    if (sample.class_id >= scores.size()) {
      return invalid_argument("is labelled with class " + std::to_string(sample.class_id) +
                              ", the model has " + std::to_string(scores.size()));
    }
    const size_t rank = rank_of(scores, sample.class_id);
    ++samples_;
    first_ += rank == 0 ? 1 : 0;
    among_top_ += rank < kTop ? 1 : 0;
    many_classes_ = scores.size() > kTop;
    return ok_status();
  }

  std::vector<Figure> figures() const override {
    const auto share = [&](size_t n) {
      return static_cast<double>(n) / static_cast<double>(samples_);
    };
    std::vector<Figure> figures = {{"top1", share(first_)}};
    if (many_classes_) figures.push_back({"top5", share(among_top_)});
    return figures;
  }

 private:
  size_t samples_ = 0, first_ = 0, among_top_ = 0;
  bool many_classes_ = false;
};

// An autoencoder does not know what it has never seen: the mean squared difference of its output
// from its input, over all of a recording's windows, is how anomalous the recording is.
class Anomaly final : public Score {
 public:
  Status add(const LabelledSample& sample, const SampleInput& input,
             std::span<const TensorView> outputs) override {
    const auto got = outputs[0].as<float>();
    if (input.reals.empty() || got.size() != input.reals.size()) {
      return invalid_argument(
          "anomaly takes recordings with windows of as many numbers as the "
          "model puts out");
    }
    if (&sample != last_) {
      scores_.push_back(0);
      anomalous_.push_back(sample.class_id != 0);
      last_ = &sample;
      windows_ = 0;
    }
    double sum = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double difference = double{input.reals[i]} - double{got[i]};
      sum += difference * difference;
    }
    ++windows_;
    const double error = sum / static_cast<double>(got.size());
    scores_.back() += (error - scores_.back()) / static_cast<double>(windows_);
    return ok_status();
  }

  std::vector<Figure> figures() const override {
    return {{"auc", area_under_curve(scores_, anomalous_), false}};
  }

 private:
  std::vector<double> scores_;  // of recordings
  std::vector<bool> anomalous_;
  const LabelledSample* last_ = nullptr;
  size_t windows_ = 0;
};

bool same_name(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

// The data's number of each of the model's classes that it knows; without names they are the same.
class ClassMap {
 public:
  ClassMap() = default;
  ClassMap(const ClassNames& names, bool background_first) : identity_(false) {
    // A list of names may begin with one for "nothing", which some models do not count.
    const std::string& first = names.model[0];
    const bool skip = background_first && (first == "???" || same_name(first, "background"));
    for (size_t i = skip ? 1 : 0; i < names.model.size(); ++i) {
      const auto at =
          std::find_if(names.data.begin(), names.data.end(),
                       [&](const std::string& name) { return same_name(name, names.model[i]); });
      to_data_.push_back(at == names.data.end() ? std::nullopt
                                                : std::optional<size_t>(at - names.data.begin()));
    }
  }

  std::optional<size_t> to_data(size_t model_class) const {
    if (identity_) return model_class;
    return model_class < to_data_.size() ? to_data_[model_class] : std::nullopt;
  }
  bool model_knows(size_t data_class) const {
    return identity_ || std::find(to_data_.begin(), to_data_.end(), data_class) != to_data_.end();
  }
  bool nothing_in_common() const {
    return !identity_ && std::none_of(to_data_.begin(), to_data_.end(),
                                      [](const auto& c) { return c.has_value(); });
  }

 private:
  bool identity_ = true;
  std::vector<std::optional<size_t>> to_data_;
};

class Detection final : public Score {
 public:
  Detection(BoxReader reader, ClassMap classes)
      : reader_(std::move(reader)), classes_(std::move(classes)) {}

  Status add(const LabelledSample& sample, const SampleInput& input,
             std::span<const TensorView> outputs) override {
    // What COCO's evaluation looks at: low scores count, many of one thing do not.
    constexpr float kMinScore = 0.01F;
    constexpr float kMaxOverlap = 0.6F;
    if (!reader_.takes(outputs)) {
      return invalid_argument("gives outputs that are not of the style '" +
                              std::string(reader_.style().name) + "'");
    }
    std::vector<FoundBox> found;
    for (FoundBox box : reader_.read(outputs, kMinScore)) {
      const auto class_id = classes_.to_data(box.class_id);
      if (!class_id) continue;
      box.class_id = *class_id;
      box.rect = in_picture(box.rect, input.placement);
      found.push_back(box);
    }
    if (!reader_.style().suppressed) {
      found = keep_best(std::move(found), kMaxOverlap, AveragePrecision::kMostBoxes);
    }
    std::vector<TrueBox> truth;
    std::copy_if(sample.boxes.begin(), sample.boxes.end(), std::back_inserter(truth),
                 [&](const TrueBox& box) { return classes_.model_knows(box.class_id); });
    precision_.add(std::move(found), truth);
    return ok_status();
  }

  std::vector<Figure> figures() const override {
    return {{"ap50", precision_.at_50()},
            {"ap50_95", precision_.at_50_to_95()},
            {"classes", static_cast<double>(precision_.classes()), false},
            {"boxes", static_cast<double>(precision_.true_boxes()), false}};
  }

 private:
  static Rect in_picture(const Rect& r, const media::Placement& p) {
    const auto [from, to] = p.to_picture(media::Corners{{r.x_min, r.y_min}, {r.x_max, r.y_max}});
    return {from.x, from.y, to.x, to.y};
  }

  const BoxReader reader_;
  const ClassMap classes_;
  AveragePrecision precision_;
};

constexpr const char* kDetect = "detect";

Result<BoxReader> reader_for(const std::string& task, const TensorInfo& input,
                             std::span<const TensorInfo> outputs) {
  for (const BoxStyle& style : box_styles()) {
    if (task == kDetect ? !style.by_itself : task != style.name) continue;
    auto reader = BoxReader::create(style, input, outputs);
    if (reader.ok() || task != kDetect) return reader;
  }
  return invalid_argument(
      "the model's outputs do not tell how they are written: --task with a style of detector");
}

Result<std::unique_ptr<Score>> make_detection(const Task& task, const TensorInfo& input,
                                              std::span<const TensorInfo> outputs,
                                              const ClassNames& names) {
  INFERD_ASSIGN_OR_RETURN(BoxReader reader, reader_for(task.name, input, outputs));
  if (!reader.known_places()) {
    return invalid_argument("how the model's " + std::string(reader.style().name) +
                            " outputs lie in the picture is not known");
  }
  if (names.model.empty() != names.data.empty()) {
    return invalid_argument("--labels and --data-labels go together: classes match by name");
  }
  ClassMap classes;
  if (!names.model.empty()) classes = ClassMap(names, reader.style().background);
  if (classes.nothing_in_common()) {
    return invalid_argument("--labels and --data-labels have no name in common");
  }
  return std::unique_ptr<Score>(std::make_unique<Detection>(std::move(reader), std::move(classes)));
}

}  // namespace

Result<Task> find_task(const std::string& name) {
  if (name == "classify") return Task{name, Truth::kClasses, "top1"};
  if (name == "anomaly") return Task{name, Truth::kClasses, ""};
  if (name == "agree") return Task{name, Truth::kNone, "auto"};
  if (name == kDetect) return Task{name, Truth::kBoxes, "auto"};
  std::string known = "classify, anomaly, agree, detect";
  for (const BoxStyle& style : box_styles()) {
    if (name == style.name) return Task{name, Truth::kBoxes, name};
    known += std::string(", ") + style.name;
  }
  return invalid_argument("--task " + name + ": is none of " + known);
}

Result<std::unique_ptr<Score>> make_score(const Task& task, const TensorInfo& input,
                                          std::span<const TensorInfo> outputs,
                                          const ClassNames& names) {
  if (task.truth == Truth::kNone) return std::unique_ptr<Score>();
  if (task.truth == Truth::kBoxes) return make_detection(task, input, outputs, names);
  if (outputs.size() != 1) {
    return invalid_argument("--task " + task.name +
                            " takes a model with one output, this one has " +
                            std::to_string(outputs.size()));
  }
  if (task.name == "anomaly") return std::unique_ptr<Score>(std::make_unique<Anomaly>());
  return std::unique_ptr<Score>(std::make_unique<Accuracy>());
}

}  // namespace inferd::ctl
