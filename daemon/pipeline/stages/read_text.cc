// SPDX-License-Identifier: Apache-2.0
//
// Stages that find lines of text, and read one.
#include <algorithm>
#include <fstream>

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/decode/text.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class DecodeTextBoxes final : public Stage {
 public:
  DecodeTextBoxes(size_t output, const TextBoxOptions& options)
      : output_(output), boxes_(options) {}

  Status process(Work& work) override {
    const Tensor& output = work.outputs[output_];
    const Shape& shape = output.shape;
    const auto chances = as_floats(output, storage_);
    if (shape.rank() != 4 || chances.size() != static_cast<size_t>(shape[2] * shape[3]))
      return failed_precondition("the model gave no map of text");
    boxes_.find(chances, static_cast<int>(shape[3]), static_cast<int>(shape[2]), work.detections);
    for (Detection& d : work.detections) {
      d.box = to_frame(d.box, work.placement);
      d.label = "text";
    }
    return ok_status();
  }

 private:
  const size_t output_;
  TextBoxes boxes_;
  std::vector<float> storage_;
};

class DecodeText final : public Stage {
 public:
  DecodeText(size_t output, float min_score, std::vector<std::string> characters)
      : output_(output), min_score_(min_score), characters_(std::move(characters)) {}

  Status process(Work& work) override {
    const Tensor& output = work.outputs[output_];
    const auto scores = as_floats(output, storage_);
    const Shape& shape = output.shape;
    const auto classes = static_cast<size_t>(shape.rank() == 3 ? shape[2] : 0);
    if (classes < 2 || classes > characters_.size() + 2)
      return failed_precondition("the model gave " + shape.to_string() + ", and there are " +
                                 std::to_string(characters_.size()) + " characters");
    if (read_steps(scores, classes, characters_, work.text) < min_score_) work.text.clear();
    return ok_status();
  }

 private:
  const size_t output_;
  const float min_score_;
  const std::vector<std::string> characters_;
  std::vector<float> storage_;
};

// One in each line.
std::vector<std::string> read_characters(const std::string& path) {
  std::vector<std::string> characters;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    characters.push_back(line);
  }
  return characters;
}

}  // namespace

StageResult make_decode_text_boxes(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  TextBoxOptions options;
  options.threshold = static_cast<float>(r.number("threshold", 0.3, 0, 1));
  options.min_score = static_cast<float>(r.number("min_score", 0.6, 0, 1));
  options.unclip = static_cast<float>(r.number("unclip", 1.5, 0, 10));
  options.max = static_cast<size_t>(r.integer("max", 100, 1, 10'000));
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, outputs_of(node, context));
  const TensorInfo& map = outputs[output];
  if (!is_readable(map) || map.shape.rank() != 4 || map.shape[1] != 1) {
    return unlike("a map of chances, FP32 or 8 bits [1,1,height,width]", {&map, 1})
        .with_context(node.mark.to_string() + ": 'decode_text_boxes', model '" +
                      context.model->name + "'");
  }
  return std::unique_ptr<Stage>(std::make_unique<DecodeTextBoxes>(output, options));
}

StageResult make_decode_text(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  const auto min_score = static_cast<float>(r.number("min_score", 0.5, 0, 1));
  const std::string path = r.text("path", "");
  INFERD_RETURN_IF_ERROR(r.finish());
  std::vector<std::string> characters =
      path.empty() ? context.model->labels : read_characters(path);
  const std::string where = node.mark.to_string() + ": 'decode_text', ";
  if (characters.empty()) {
    return path.empty() ? invalid_argument(where +
                                           "the model has no labels.txt with a character "
                                           "in each line; give 'path'")
                        : not_found(where + "'" + path + "' cannot be read or is empty");
  }
  INFERD_ASSIGN_OR_RETURN(const auto outputs, outputs_of(node, context));
  const TensorInfo& steps = outputs[output];
  const bool fits = is_readable(steps) && steps.shape.rank() == 3 &&
                    (steps.shape[2] == kDynamicDim ||
                     (steps.shape[2] > static_cast<int64_t>(characters.size()) &&
                      steps.shape[2] <= static_cast<int64_t>(characters.size()) + 2));
  if (!fits) {
    return unlike("scores of nothing, " + std::to_string(characters.size()) +
                      " characters and perhaps a space, FP32 or 8 bits [1,steps,classes]",
                  {&steps, 1})
        .with_context(where + "model '" + context.model->name + "'");
  }
  return std::unique_ptr<Stage>(
      std::make_unique<DecodeText>(output, min_score, std::move(characters)));
}

}  // namespace inferd::pipeline
