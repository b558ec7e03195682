// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/exchange.h"

#include <algorithm>

#include "daemon/pipeline/custom/check_output.h"

namespace inferd::pipeline {
namespace {

using media::ColorSpace;
using media::PixelFormat;

static_assert(INFERD_STAGE_RGB == static_cast<int>(PixelFormat::kRgb) &&
              INFERD_STAGE_GREY == static_cast<int>(PixelFormat::kGrey) &&
              INFERD_STAGE_YUYV == static_cast<int>(PixelFormat::kYuyv) &&
              INFERD_STAGE_NV12 == static_cast<int>(PixelFormat::kNv12) &&
              INFERD_STAGE_I420 == static_cast<int>(PixelFormat::kI420));
static_assert(INFERD_STAGE_BT601 == static_cast<int>(ColorSpace::kBt601) &&
              INFERD_STAGE_BT709_FULL == static_cast<int>(ColorSpace::kBt709Full));

const char* or_empty(const char* text) { return text == nullptr ? "" : text; }

template <typename T>
void give(std::vector<T>& taken, bool replace, std::vector<T>& to) {
  if (replace) {
    to.swap(taken);
  } else {
    to.insert(to.end(), taken.begin(), taken.end());
  }
}

}  // namespace

const inferd_stage_frame& Exchange::show(const Work& work) {
  const Frame& frame = *work.frame;
  frame_ = {};
  frame_.sequence = frame.sequence;
  frame_.capture_ns = frame.capture_ns;
  frame_.name = frame.name.c_str();
  const media::Picture& picture = frame.picture;
  frame_.width = picture.width;
  frame_.height = picture.height;
  frame_.format = static_cast<int32_t>(picture.format);
  frame_.color = static_cast<int32_t>(picture.color);
  for (size_t p = 0; p < picture.planes.size(); ++p) {
    frame_.planes[p] = picture.planes[p];
    frame_.strides[p] = picture.strides[p];
  }
  frame_.rows = frame.samples.rows;
  frame_.columns = frame.samples.columns;
  frame_.rate_hz = frame.samples.rate_hz;
  frame_.samples = frame.samples.rows > 0 ? frame.samples.values.data() : nullptr;
  show_results(work);
  return frame_;
}

void Exchange::show_results(const Work& work) {
  points_.clear();
  detections_.clear();
  values_.clear();
  for (const Detection& d : work.detections) {
    for (const Keypoint& k : d.keypoints) points_.push_back({k.x, k.y, k.score});
  }
  const inferd_stage_point* points = points_.data();
  for (const Detection& d : work.detections) {
    const Box& b = d.box;
    detections_.push_back({b.x_min, b.y_min, b.x_max, b.y_max, d.score, d.class_id, d.label.c_str(),
                           d.text.c_str(), d.keypoints.empty() ? nullptr : points,
                           d.keypoints.size(), d.track_id,
                           static_cast<int64_t>(detections_.size())});
    points += d.keypoints.size();
  }
  for (const Value& v : work.values) values_.push_back({v.name.c_str(), v.value});
  frame_.detections = detections_.data();
  frame_.detection_count = detections_.size();
  frame_.values = values_.data();
  frame_.value_count = values_.size();
  frame_.text = work.text.c_str();
}

// All is copied before anything changes: what a stage gives may be what it was shown.
Status Exchange::take(const inferd_stage_output& output, Work& work) {
  INFERD_RETURN_IF_ERROR(check_output(output, work.detections.size()));
  copy_detections(output, work);
  taken_values_.resize(output.value_count);
  for (size_t i = 0; i < output.value_count; ++i) {
    taken_values_[i].name = output.values[i].name;
    taken_values_[i].value = output.values[i].value;
  }
  taken_text_ = or_empty(output.text);
  give(taken_detections_, (output.replace & INFERD_STAGE_REPLACE_DETECTIONS) != 0, work.detections);
  give(taken_values_, (output.replace & INFERD_STAGE_REPLACE_VALUES) != 0, work.values);
  if (output.text != nullptr) work.text.swap(taken_text_);
  return ok_status();
}

void Exchange::copy_detections(const inferd_stage_output& output, const Work& work) {
  const auto clip = [](float v) { return std::clamp(v, 0.F, 1.F); };
  taken_detections_.resize(output.detection_count);
  for (size_t i = 0; i < output.detection_count; ++i) {
    const inferd_stage_detection& from = output.detections[i];
    Detection& d = taken_detections_[i];
    d.box = {clip(from.x_min), clip(from.y_min), clip(from.x_max), clip(from.y_max)};
    d.score = from.score;
    d.class_id = from.class_id;
    d.label = or_empty(from.label);
    d.text = or_empty(from.text);
    d.keypoints.clear();
    for (size_t k = 0; k < from.point_count; ++k)
      d.keypoints.push_back({from.points[k].x, from.points[k].y, from.points[k].score});
    d.track_id = from.track_id;
    d.classes.clear();
    if (from.origin >= 0) d.classes = work.detections[static_cast<size_t>(from.origin)].classes;
  }
}

}  // namespace inferd::pipeline
