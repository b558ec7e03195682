// SPDX-License-Identifier: Apache-2.0
//
// Stages for models that say something of the whole picture: what it shows, and where.
#include <algorithm>

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/decode/classes.h"
#include "daemon/pipeline/decode/segmentation.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

Status no_output() { return failed_precondition("the model gave no output for the picture"); }

class DecodeClasses final : public Stage {
 public:
  DecodeClasses(size_t output, size_t size, const ClassesOptions& options)
      : output_(output), size_(size), options_(options) {}

  Status process(Work& work) override {
    const auto scores = as_floats(work.outputs[output_], storage_);
    if (scores.size() != size_) return no_output();
    best_classes(scores, options_, work.classes);
    return ok_status();
  }

 private:
  const size_t output_, size_;
  const ClassesOptions options_;
  std::vector<float> storage_;
};

class DecodeSegments final : public Stage {
 public:
  DecodeSegments(size_t output, const ClassMapLayout& layout, float threshold, int side, bool mask)
      : output_(output), layout_(layout), threshold_(threshold), side_(side), mask_(mask) {}

  Status process(Work& work) override {
    const Tensor& output = work.outputs[output_];
    const size_t cells = static_cast<size_t>(layout_.height) * static_cast<size_t>(layout_.width);
    if (output.data.size() / dtype_size(output.dtype) !=
        cells * static_cast<size_t>(std::max(layout_.classes, 1))) {
      return no_output();
    }
    if (layout_.classes == 0) {
      map_labels({output.dtype, output.shape, output.data}, map_);
    } else {
      map_scores(as_floats(output, storage_), layout_, threshold_, map_);
    }
    set_size(work.frame->picture, work.mask);
    cover_frame(map_, layout_, work.placement, work.mask, work.areas);
    if (!mask_) {
      work.mask.width = work.mask.height = 0;
      work.mask.runs.clear();
    }
    return ok_status();
  }

 private:
  // As many cells as wanted along the frame's longer side, but not more than it has pixels.
  void set_size(const media::Picture& image, Mask& mask) const {
    const int longer = std::max({image.width, image.height, 1});
    const int wanted = std::min(side_, longer);
    mask.width = std::max(image.width * wanted / longer, 1);
    mask.height = std::max(image.height * wanted / longer, 1);
  }

  const size_t output_;
  const ClassMapLayout layout_;
  const float threshold_;
  const int side_;
  const bool mask_;
  std::vector<float> storage_;
  std::vector<uint16_t> map_;
};

}  // namespace

StageResult make_decode_classes(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  ClassesOptions options;
  options.top = static_cast<size_t>(r.integer("top", 5, 1, 1000));
  options.min_score = static_cast<float>(r.number("min_score", 0, 0, 1));
  options.softmax = r.boolean("softmax", false);
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, outputs_of(node, context));
  const TensorInfo& scores = outputs[output];
  const Shape& shape = scores.shape;
  const bool fits = is_readable(scores) && shape.is_static() && shape.rank() > 0 &&
                    shape.elements() > 1 &&
                    shape.elements() == *std::max_element(shape.begin(), shape.end());
  if (!fits) {
    return unlike("a score for each class, FP32 or 8 bits [1,classes]", {&scores, 1})
        .with_context(node.mark.to_string() + ": 'decode_classes', model '" + context.model->name +
                      "'");
  }
  return std::unique_ptr<Stage>(
      std::make_unique<DecodeClasses>(output, static_cast<size_t>(shape.elements()), options));
}

StageResult make_decode_segments(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  INFERD_ASSIGN_OR_RETURN(const size_t output, find_output(r, node, context, "output", 0));
  const auto threshold = static_cast<float>(r.number("threshold", 0.5, 0, 1));
  const auto size = static_cast<int>(r.integer("size", 0, 1, 8192));
  const bool mask = r.boolean("mask", false);
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_ASSIGN_OR_RETURN(const ModelShapes shapes, shapes_of(node, context));
  const auto layout = ClassMapLayout::of(shapes.outputs[output], shapes.input.nchw);
  if (!layout.ok()) {
    return layout.status().with_context(node.mark.to_string() + ": 'decode_segments', model '" +
                                        context.model->name + "'");
  }
  const int side = size == 0 ? std::max(layout->width, layout->height) : size;
  return std::unique_ptr<Stage>(
      std::make_unique<DecodeSegments>(output, *layout, threshold, side, mask));
}

}  // namespace inferd::pipeline
