// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

struct Row {
  const char* type;
  StageResult (*make)(const config::NodeConfig&, StageContext&);
  // At pixels of the frame; infer not where a lens is in between, through which it sees by itself.
  bool looks = true;
  bool needs_stream = false;  // see there
};
const Row kRows[] = {
    {"resize", make_resize},
    {"letterbox", make_letterbox},
    {"crop", make_crop},
    {"rotate", make_rotate},
    {"normalize", make_normalize},
    {"undistort", make_undistort},
    {"window", make_window},
    {"spectrum", make_spectrum},
    {"log_mel", make_log_mel},
    {"mfcc", make_mfcc},
    {"standardize", make_standardize},
    {"statistics", make_statistics},
    {"infer", make_infer, false},
    {"decode_ssd", make_decode_ssd, false},
    {"decode_fastestdet", make_decode_fastestdet, false},
    {"decode_detections", make_decode_detections, false},
    {"decode_yunet", make_decode_yunet, false},
    {"decode_nanodet", make_decode_nanodet, false},
    {"decode_centernet", make_decode_centernet, false},
    {"decode_yolo", make_decode_yolo, false},
    {"decode_yolo_heads", make_decode_yolo_heads, false},
    {"decode_pose", make_decode_pose, false},
    {"decode_classes", make_decode_classes, false},
    {"decode_segments", make_decode_segments, false},
    {"decode_text_boxes", make_decode_text_boxes, false},
    {"decode_text", make_decode_text, false},
    {"decode_values", make_decode_values, false},
    {"anomaly", make_anomaly},
    {"recognize", make_recognize, false, true},
    {"voice_activity", make_voice_activity, false, true},
    {"expression", make_expression, false},
    {"when", make_when, false},
    {"switch", make_switch, false},
    {"nms", make_nms, false},
    {"labels", make_labels, false},
    {"filter", make_filter, false},
    {"track", make_track, false, true},
    {"count", make_count, false, true},
    {"confirm", make_confirm, false, true},
    {"blur", make_blur},
    {"motion_gate", make_motion_gate, true, true},
    {"custom", make_custom},
};

}  // namespace

Result<std::unique_ptr<Stage>> make_stage(const config::NodeConfig& node, StageContext& context) {
  std::string known;
  for (const Row& row : kRows) {
    if (node.type == row.type) {
      auto made = row.make(node, context);
      if (made.ok() && *made != nullptr) (*made)->set_looks(row.looks);
      return made;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.type);
  }
  return invalid_argument(node.mark.to_string() + ": there is no stage '" + node.type +
                          "'; known: " + known);
}

bool needs_stream(const std::string& type) {
  return std::any_of(std::begin(kRows), std::end(kRows),
                     [&](const Row& row) { return row.needs_stream && type == row.type; });
}

Result<size_t> find_output(config::NodeReader& reader, const config::NodeConfig& node,
                           const StageContext& context, const std::string& key, size_t fallback) {
  const std::string where = node.mark.to_string() + ": ";
  if (context.model == nullptr)
    return invalid_argument(where + "'" + node.type + "' needs an 'infer' stage before it");
  const auto outputs = context.model->model->outputs();
  const std::string wanted = reader.text(key, std::to_string(fallback));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].name == wanted || std::to_string(i) == wanted) return i;
  }
  return invalid_argument(where + "model '" + context.model->name + "' has no output '" + wanted +
                          "'");
}

std::span<const float> as_floats(const Tensor& tensor, std::vector<float>& storage) {
  const TensorView view{tensor.dtype, tensor.shape, tensor.data};
  if (tensor.dtype == DType::kFloat32) return view.as<float>();
  storage.resize(tensor.data.size());
  const Quantization& quantization = tensor.quantization;
  const float scale = quantization.empty() ? 1.F : quantization.scale();
  const int32_t zero = quantization.empty() ? 0 : quantization.zero_point();
  const bool is_signed = tensor.dtype == DType::kInt8;
  for (size_t i = 0; i < storage.size(); ++i) {
    const int32_t stored = is_signed ? view.as<int8_t>()[i] : view.as<uint8_t>()[i];
    storage[i] = scale * static_cast<float>(stored - zero);
  }
  return storage;
}

Box to_frame(const Box& box, const media::Placement& p) {
  // NaN becomes 0: a model may say anything.
  const auto clip = [](float v) { return v > 0.F ? std::min(v, 1.F) : 0.F; };
  const media::Corners corners{{box.x_min, box.y_min}, {box.x_max, box.y_max}};
  const auto [from, to] = p.to_picture(corners);
  return {clip(from.x), clip(from.y), clip(to.x), clip(to.y)};
}

bool to_frame(Detection& d, const media::Placement& p) {
  bool finite = std::isfinite(d.score) && std::isfinite(d.box.x_min) &&
                std::isfinite(d.box.y_min) && std::isfinite(d.box.x_max) &&
                std::isfinite(d.box.y_max);
  d.box = to_frame(d.box, p);
  for (Keypoint& k : d.keypoints) {
    const media::Point point = p.to_picture(media::Point{k.x, k.y});
    k.x = point.x;
    k.y = point.y;
    finite = finite && std::isfinite(k.x) && std::isfinite(k.y) && std::isfinite(k.score);
  }
  return finite;
}

}  // namespace inferd::pipeline
