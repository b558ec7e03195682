// SPDX-License-Identifier: Apache-2.0
//
// Stages that make numbers of a model's outputs.
#include <algorithm>
#include <numeric>

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

constexpr size_t kMaxValues = 1024;

class DecodeValues final : public Stage {
 public:
  // Without names they are called like the output.
  DecodeValues(size_t output, std::string output_name, std::vector<std::string> names)
      : output_(output),
        output_name_(std::move(output_name)),
        named_(!names.empty()),
        names_(std::move(names)) {}

  Status process(Work& work) override {
    const auto numbers = as_floats(work.outputs[output_], storage_);
    if (numbers.empty() || numbers.size() > kMaxValues)
      return failed_precondition("the model gave " + std::to_string(numbers.size()) +
                                 " numbers, not 1 to " + std::to_string(kMaxValues));
    if (numbers.size() != names_.size()) {
      if (named_)
        return failed_precondition("the model gave " + std::to_string(numbers.size()) +
                                   " numbers, and 'names' has " + std::to_string(names_.size()));
      name(numbers.size());
    }
    for (size_t i = 0; i < names_.size(); ++i)
      work.values.push_back({names_[i], static_cast<double>(numbers[i])});
    return ok_status();
  }

 private:
  void name(size_t count) {
    names_.clear();
    for (size_t i = 0; i < count; ++i)
      names_.push_back(count == 1 ? output_name_ : output_name_ + "." + std::to_string(i));
  }

  const size_t output_;
  const std::string output_name_;
  const bool named_;  // by the configuration
  std::vector<std::string> names_;
  std::vector<float> storage_;
};

// How badly a model that was trained to give its input back does so: the mean squared difference,
// over the last frames.
class Anomaly final : public Stage {
 public:
  Anomaly(size_t output, std::string name, size_t smooth)
      : output_(output), name_(std::move(name)), errors_(smooth) {}

  Status process(Work& work) override {
    const auto given = as_floats(work.outputs[output_], storage_);
    const std::vector<float>& taken = work.frame->samples.values;
    if (given.size() != taken.size())
      return failed_precondition("the model took " + std::to_string(taken.size()) +
                                 " numbers and gave " + std::to_string(given.size()));
    double sum = 0;
    for (size_t i = 0; i < given.size(); ++i) {
      const double difference = static_cast<double>(given[i]) - static_cast<double>(taken[i]);
      sum += difference * difference;
    }
    errors_[frames_++ % errors_.size()] = sum / static_cast<double>(given.size());
    const auto known = static_cast<std::ptrdiff_t>(std::min(frames_, errors_.size()));
    const double total = std::accumulate(errors_.begin(), errors_.begin() + known, 0.);
    work.values.push_back({name_, total / static_cast<double>(known)});
    return ok_status();
  }

 private:
  const size_t output_;
  const std::string name_;
  std::vector<double> errors_;  // of the last frames, around
  size_t frames_ = 0;
  std::vector<float> storage_;
};

}  // namespace

StageResult make_decode_values(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  std::vector<std::string> names = r.list("names");
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, outputs_of(node, context));
  const TensorInfo& info = outputs[output];
  const std::string where = node.mark.to_string() + ": 'decode_values', model '" +
                            context.model->name + "', output '" + info.name + "' ";
  // How many there are of open dimensions shows only once the model runs.
  const bool open = !info.shape.is_static();
  const int64_t count =
      open ? static_cast<int64_t>(std::max<size_t>(names.size(), 1)) : info.shape.elements();
  if (!is_readable(info) || count < 1 || count > static_cast<int64_t>(kMaxValues))
    return unlike("1 to 1024 numbers, FP32 or 8 bits", {&info, 1}).with_context(where);
  if (!names.empty() && names.size() != static_cast<size_t>(count))
    return invalid_argument(where + "has " + std::to_string(count) + " numbers, and 'names' " +
                            std::to_string(names.size()));
  return std::unique_ptr<Stage>(
      std::make_unique<DecodeValues>(output, info.name, std::move(names)));
}

StageResult make_anomaly(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  std::string name = r.text("name", "anomaly");
  const auto smooth = static_cast<size_t>(r.integer("smooth", 1, 1, 10'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, outputs_of(node, context));
  const std::string where = node.mark.to_string() + ": 'anomaly' ";
  if (!context.signal.samples)
    return invalid_argument(where + "needs samples: a source of sound or numbers");
  if (!is_readable(outputs[output]))
    return unlike("FP32 or 8 bits", {&outputs[output], 1}).with_context(where);
  return std::unique_ptr<Stage>(std::make_unique<Anomaly>(output, std::move(name), smooth));
}

}  // namespace inferd::pipeline
