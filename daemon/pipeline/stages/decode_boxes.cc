// SPDX-License-Identifier: Apache-2.0
//
// Stages around the decoders of decode/: a model's outputs come in as numbers, detections go out in
// coordinates of the frame.
#include <algorithm>

#include "daemon/pipeline/decode/centernet.h"
#include "daemon/pipeline/decode/nanodet.h"
#include "daemon/pipeline/decode/pose.h"
#include "daemon/pipeline/decode/yolo.h"
#include "daemon/pipeline/decode/yolo_heads.h"
#include "daemon/pipeline/decode/yunet.h"
#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

class DecodeBoxes final : public Stage {
 public:
  DecodeBoxes(std::unique_ptr<BoxDecoder> decoder, const ModelShapes& model, float min_score)
      : decoder_(std::move(decoder)), min_score_(min_score), storage_(model.outputs.size()) {
    for (const TensorInfo& output : model.outputs)
      sizes_.push_back(output.shape.is_static() ? static_cast<size_t>(output.shape.elements())
                                                : size_t{0});
  }

  Status process(Work& work) override {
    values_.clear();
    for (size_t i = 0; i < sizes_.size(); ++i) {
      const Tensor& output = work.outputs[i];
      const auto elements = output.data.size() / dtype_size(output.dtype);
      // Of unknown size are only those that no decoder reads.
      if (elements != sizes_[i] && sizes_[i] != 0)
        return failed_precondition("the model gave no output for the picture");
      values_.push_back(sizes_[i] == 0 ? std::span<const float>() : as_floats(output, storage_[i]));
    }
    work.detections.clear();
    decoder_->decode(values_, min_score_, work.detections);
    std::erase_if(work.detections, [&](Detection& d) { return !to_frame(d, work.placement); });
    return ok_status();
  }

 private:
  const std::unique_ptr<BoxDecoder> decoder_;
  const float min_score_;
  std::vector<size_t> sizes_;  // elements of each output; 0: not known
  std::vector<std::vector<float>> storage_;
  std::vector<std::span<const float>> values_;
};

// `make` gets the model's shapes.
template <typename Make>
StageResult make_decoder(const config::NodeConfig& node, const StageContext& context,
                         double min_score, const Make& make) {
  const std::string where = node.mark.to_string() + ": '" + node.type + "' ";
  INFERD_ASSIGN_OR_RETURN(const ModelShapes shapes, shapes_of(node, context));
  BoxDecoderResult decoder = make(shapes);
  if (!decoder.ok()) {
    return invalid_argument(where + decoder.status().message() + " (model '" + context.model->name +
                            "')");
  }
  return std::unique_ptr<Stage>(
      std::make_unique<DecodeBoxes>(std::move(*decoder), shapes, static_cast<float>(min_score)));
}

// Of a batch of one.
TensorInfo of_one(TensorInfo info) {
  if (info.shape.rank() > 0 && info.shape[0] == kDynamicDim) info.shape[0] = 1;
  return info;
}

}  // namespace

Result<std::vector<TensorInfo>> outputs_of(const config::NodeConfig& node,
                                           const StageContext& context) {
  if (context.model == nullptr)
    return invalid_argument(node.mark.to_string() + ": '" + node.type +
                            "' needs an 'infer' stage before it");
  std::vector<TensorInfo> outputs;
  for (const TensorInfo& output : context.model->model->outputs())
    outputs.push_back(of_one(output));
  return outputs;
}

Result<ModelShapes> shapes_of(const config::NodeConfig& node, const StageContext& context) {
  ModelShapes shapes;
  INFERD_ASSIGN_OR_RETURN(shapes.outputs, outputs_of(node, context));
  auto input = media::image_tensor_of(of_one(context.model->model->inputs()[0]));
  if (!input.ok()) return input.status().with_context(node.mark.to_string());
  shapes.input = *input;
  return shapes;
}

StageResult make_decode_yunet(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.6, 0, 1);
  INFERD_RETURN_IF_ERROR(r.finish());
  return make_decoder(node, context, min_score, make_yunet);
}

StageResult make_decode_nanodet(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.5, 0, 1);
  INFERD_RETURN_IF_ERROR(r.finish());
  return make_decoder(node, context, min_score, make_nanodet);
}

StageResult make_decode_centernet(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.3, 0, 1);
  const bool logits = r.boolean("logits", true);
  INFERD_RETURN_IF_ERROR(r.finish());
  return make_decoder(node, context, min_score,
                      [&](const ModelShapes& shapes) { return make_centernet(shapes, logits); });
}

StageResult make_decode_yolo(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.5, 0, 1);
  const std::vector<std::string> names = {"auto", "yolox", "v5", "v8", "v10"};
  const std::string name = r.one_of("layout", "auto", names);
  YoloOptions options;
  options.pixels = r.one_of("units", "pixels", {"pixels", "input"}) == "pixels";
  const std::vector<double> strides = r.numbers("strides");
  INFERD_RETURN_IF_ERROR(r.finish());
  options.layout =
      static_cast<YoloLayout>(std::find(names.begin(), names.end(), name) - names.begin());
  if (!strides.empty()) options.strides.clear();
  for (const double stride : strides) {
    if (!(stride >= 1 && stride <= 1024) || stride != static_cast<int>(stride))
      return invalid_argument(node.mark.to_string() + ": 'strides' are integers from 1 to 1024");
    options.strides.push_back(static_cast<int>(stride));
  }
  return make_decoder(node, context, min_score,
                      [&](const ModelShapes& shapes) { return make_yolo(shapes, options); });
}

StageResult make_decode_yolo_heads(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.5, 0, 1);
  YoloHeadsOptions options;
  options.squared = r.one_of("sizes", "exp", {"exp", "squared"}) == "squared";
  options.scale_xy = static_cast<float>(r.number("scale_xy", options.squared ? 2 : 1, 1, 10));
  const std::vector<double> anchors = r.numbers("anchors");
  INFERD_RETURN_IF_ERROR(r.finish());
  for (const double anchor : anchors) {
    if (!(anchor > 0 && anchor <= 100'000))
      return invalid_argument(node.mark.to_string() + ": 'anchors' are pixels, more than 0");
    options.anchors.push_back(static_cast<float>(anchor));
  }
  return make_decoder(node, context, min_score,
                      [&](const ModelShapes& shapes) { return make_yolo_heads(shapes, options); });
}

StageResult make_decode_pose(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const double min_score = r.number("min_score", 0.25, 0, 1);
  const auto min_point_score = static_cast<float>(r.number("min_point_score", 0.2, 0, 1));
  INFERD_RETURN_IF_ERROR(r.finish());
  return make_decoder(node, context, min_score, [&](const ModelShapes& shapes) {
    return make_pose(shapes, min_point_score);
  });
}

}  // namespace inferd::pipeline
