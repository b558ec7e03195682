// SPDX-License-Identifier: Apache-2.0
//
// Stages that compute with samples themselves.
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class Standardize final : public Stage {
 public:
  Standardize(std::vector<double> means, std::vector<double> deviations)
      : means_(std::move(means)), deviations_(std::move(deviations)) {}

  Status process(Work& work) override {
    const Samples& in = work.frame->samples;
    const auto columns = static_cast<size_t>(in.columns);
    for (const auto* numbers : {&means_, &deviations_}) {
      if (numbers->size() != 1 && numbers->size() != columns)
        return failed_precondition("has numbers for " + std::to_string(numbers->size()) +
                                   " columns, and " + std::to_string(columns) + " come");
    }
    Ref<SharedFrame> shown = pool_.get();
    shown->samples = in;
    shown->identify_as(*work.frame);
    std::vector<float>& values = shown->samples.values;
    for (size_t i = 0; i < values.size(); ++i) {
      const double mean = means_[means_.size() == 1 ? 0 : i % columns];
      const double deviation = deviations_[deviations_.size() == 1 ? 0 : i % columns];
      values[i] = static_cast<float>((static_cast<double>(values[i]) - mean) / deviation);
    }
    work.show(std::move(shown));
    return ok_status();
  }

 private:
  const std::vector<double> means_, deviations_;  // one for all columns, or for each
  Pool<SharedFrame> pool_;
};

// Of one column.
struct Summary {
  double mean = 0, std = 0, rms = 0, min = 0, max = 0;
};

Summary summarize(const Samples& samples, int column) {
  Summary s;
  double sum = 0;
  double squares = 0;
  s.min = s.max = static_cast<double>(samples.values[static_cast<size_t>(column)]);
  for (int64_t row = 0; row < samples.rows; ++row) {
    const auto value =
        static_cast<double>(samples.values[static_cast<size_t>(row * samples.columns + column)]);
    sum += value;
    squares += value * value;
    s.min = std::min(s.min, value);
    s.max = std::max(s.max, value);
  }
  s.mean = sum / samples.rows;
  s.rms = std::sqrt(squares / samples.rows);
  s.std = std::sqrt(std::max(0., squares / samples.rows - s.mean * s.mean));
  return s;
}

struct Statistic {
  const char* name;
  double (*of)(const Summary&);
};
const Statistic kStatistics[] = {
    {"mean", [](const Summary& s) { return s.mean; }},
    {"std", [](const Summary& s) { return s.std; }},
    {"rms", [](const Summary& s) { return s.rms; }},
    {"min", [](const Summary& s) { return s.min; }},
    {"max", [](const Summary& s) { return s.max; }},
    {"range", [](const Summary& s) { return s.max - s.min; }},
};

class Statistics final : public Stage {
 public:
  explicit Statistics(std::vector<Statistic> wanted) : wanted_(std::move(wanted)) {}

  Status process(Work& work) override {
    const Samples& in = work.frame->samples;
    if (in.rows == 0) return failed_precondition("the frame has no samples");
    name(in);
    for (int c = 0; c < in.columns; ++c) {
      const Summary summary = summarize(in, c);
      for (size_t w = 0; w < wanted_.size(); ++w) {
        work.values.push_back(
            {names_[static_cast<size_t>(c) * wanted_.size() + w], wanted_[w].of(summary)});
      }
    }
    return ok_status();
  }

 private:
  // "x.rms", "0.rms" without names, and "rms" where there is one column without a name.
  void name(const Samples& in) {
    if (in.columns == columns_ && in.names == column_names_) return;
    names_.clear();
    columns_ = in.columns;
    column_names_ = in.names;
    for (int c = 0; c < columns_; ++c) {
      std::string prefix = columns_ > 1 ? std::to_string(c) + "." : "";
      if (in.names != nullptr) prefix = (*in.names)[static_cast<size_t>(c)] + ".";
      for (const Statistic& statistic : wanted_) names_.push_back(prefix + statistic.name);
    }
  }

  const std::vector<Statistic> wanted_;
  int columns_ = 0;
  std::shared_ptr<const std::vector<std::string>> column_names_;
  std::vector<std::string> names_;  // of values: column by column
};

}  // namespace

StageResult make_standardize(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  std::vector<double> means = r.numbers("mean");
  std::vector<double> deviations = r.numbers("std");
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": '" + node.type + "' ";
  if (!context.signal.samples)
    return invalid_argument(where + "is for samples; for pictures there is 'normalize'");
  if (std::find(deviations.begin(), deviations.end(), 0.) != deviations.end())
    return invalid_argument(where + "cannot divide by a 'std' of 0");
  if (means.empty()) means = {0};
  if (deviations.empty()) deviations = {1};
  return std::unique_ptr<Stage>(
      std::make_unique<Standardize>(std::move(means), std::move(deviations)));
}

StageResult make_statistics(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::vector<std::string> names = r.list("of");
  INFERD_RETURN_IF_ERROR(r.finish());
  const std::string where = node.mark.to_string() + ": 'statistics' ";
  if (!context.signal.samples)
    return invalid_argument(where + "needs samples: a source of sound or numbers before it");
  std::vector<Statistic> wanted;
  std::string known;
  for (const Statistic& statistic : kStatistics) {
    const bool named = std::find(names.begin(), names.end(), statistic.name) != names.end();
    if (names.empty() || named) wanted.push_back(statistic);
    known += (known.empty() ? "" : ", ") + std::string(statistic.name);
  }
  if (!names.empty() && wanted.size() != names.size())
    return invalid_argument(where + "knows, each once: " + known);
  return std::unique_ptr<Stage>(std::make_unique<Statistics>(std::move(wanted)));
}

}  // namespace inferd::pipeline
