// SPDX-License-Identifier: Apache-2.0
//
// Stages that say how a picture becomes the model's input; infer does it in one pass.
#include <algorithm>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

StageResult nothing() { return std::unique_ptr<Stage>(); }

Status before_infer(const config::NodeConfig& node, const StageContext& context) {
  if (context.model == nullptr) return ok_status();
  return invalid_argument(node.mark.to_string() + ": '" + node.type +
                          "' must stand before 'infer'");
}

// What every stage here ends with.
StageResult described(const config::NodeConfig& node, config::NodeReader& r,
                      const StageContext& context) {
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(before_infer(node, context));
  INFERD_RETURN_IF_ERROR(
      media::check_preprocess(context.preprocess).with_context(node.mark.to_string()));
  return nothing();
}

StageResult fit(const config::NodeConfig& node, StageContext& context, media::Fit fit) {
  config::NodeReader r(node);
  context.preprocess.fit = fit;
  if (fit == media::Fit::kLetterbox) {
    context.preprocess.pad_value =
        static_cast<uint8_t>(r.integer("pad", context.preprocess.pad_value, 0, 255));
  }
  return described(node, r, context);
}

// One number for all channels, or three.
Status channels(const config::NodeConfig& node, const std::string& key,
                const std::vector<double>& values, std::array<float, 3>& out) {
  if (values.empty()) return ok_status();
  if (values.size() != 1 && values.size() != 3) {
    return invalid_argument(node.mark.to_string() + ": '" + key + "' must be one number or three");
  }
  for (size_t c = 0; c < 3; ++c) out[c] = static_cast<float>(values[values.size() == 1 ? 0 : c]);
  return ok_status();
}

}  // namespace

StageResult make_resize(const config::NodeConfig& node, StageContext& context) {
  return fit(node, context, media::Fit::kStretch);
}
StageResult make_letterbox(const config::NodeConfig& node, StageContext& context) {
  return fit(node, context, media::Fit::kLetterbox);
}

// With a rectangle: the part of the frame that is seen, whatever it is fitted by. Without: a fit.
StageResult make_crop(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  if (!r.has("x") && !r.has("y") && !r.has("width") && !r.has("height"))
    return fit(node, context, media::Fit::kCrop);
  media::Part& part = context.preprocess.roi;
  part.x = static_cast<float>(r.number("x", 0, 0, 1));
  part.y = static_cast<float>(r.number("y", 0, 0, 1));
  part.width = static_cast<float>(r.number("width", 1 - double{part.x}, 0, 1));
  part.height = static_cast<float>(r.number("height", 1 - double{part.y}, 0, 1));
  return described(node, r, context);
}

StageResult make_rotate(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  context.preprocess.rotate = static_cast<int>(r.integer("degrees", 0, 0, 270));
  context.preprocess.mirror = r.boolean("mirror", false);
  return described(node, r, context);
}

// (pixel - mean) / std per channel.
StageResult make_normalize(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  media::Preprocess& p = context.preprocess;
  p.normalize = true;
  INFERD_RETURN_IF_ERROR(channels(node, "mean", r.numbers("mean"), p.mean));
  INFERD_RETURN_IF_ERROR(channels(node, "std", r.numbers("std"), p.std));
  p.bgr = r.one_of("order", "rgb", {"rgb", "bgr"}) == "bgr";
  INFERD_RETURN_IF_ERROR(r.finish());
  INFERD_RETURN_IF_ERROR(before_infer(node, context));
  if (std::find(p.std.begin(), p.std.end(), 0.F) != p.std.end()) {
    return invalid_argument(node.mark.to_string() + ": 'std' must not be 0");
  }
  return nothing();
}

}  // namespace inferd::pipeline
