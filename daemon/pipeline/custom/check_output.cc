// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/check_output.h"

#include <cmath>
#include <cstring>

namespace inferd::pipeline {
namespace {

// As inferd/stage.h promises.
constexpr size_t kMaxDetections = 10'000;
constexpr size_t kMaxPoints = 1'000;
constexpr size_t kMaxValues = 10'000;
constexpr size_t kMaxText = 65'536;

bool is_text(const char* text) {
  return text == nullptr || ::strnlen(text, kMaxText + 1) <= kMaxText;
}

Status check(const inferd_stage_detection& d, size_t shown) {
  for (const float number : {d.x_min, d.y_min, d.x_max, d.y_max, d.score}) {
    if (!std::isfinite(number)) return invalid_argument("has a number that is not finite");
  }
  if (d.point_count > kMaxPoints) return invalid_argument("has more than 1000 points");
  if (d.point_count > 0 && d.points == nullptr) return invalid_argument("has points at NULL");
  for (size_t i = 0; i < d.point_count; ++i) {
    const inferd_stage_point& p = d.points[i];
    if (!std::isfinite(p.x) || !std::isfinite(p.y) || !std::isfinite(p.score))
      return invalid_argument("has a point with a number that is not finite");
  }
  if (!is_text(d.label) || !is_text(d.text))
    return invalid_argument("has a text of more than 65536 bytes");
  if (d.origin < -1 || d.origin >= static_cast<int64_t>(shown))
    return invalid_argument("says that it was detection " + std::to_string(d.origin) +
                            ", and the frame has " + std::to_string(shown));
  return ok_status();
}

Status check(const inferd_stage_value& v) {
  if (v.name == nullptr || v.name[0] == '\0') return invalid_argument("has no name");
  if (!is_text(v.name)) return invalid_argument("has a name of more than 65536 bytes");
  if (!std::isfinite(v.value)) return invalid_argument("is not finite");
  return ok_status();
}

}  // namespace

Status check_output(const inferd_stage_output& output, size_t shown) {
  if (output.detection_count > kMaxDetections)
    return invalid_argument("gave more than 10000 detections");
  if (output.value_count > kMaxValues) return invalid_argument("gave more than 10000 values");
  if ((output.detection_count > 0 && output.detections == nullptr) ||
      (output.value_count > 0 && output.values == nullptr)) {
    return invalid_argument("gave results at NULL");
  }
  for (size_t i = 0; i < output.detection_count; ++i)
    INFERD_RETURN_IF_ERROR(
        check(output.detections[i], shown).with_context("detection " + std::to_string(i)));
  for (size_t i = 0; i < output.value_count; ++i)
    INFERD_RETURN_IF_ERROR(check(output.values[i]).with_context("value " + std::to_string(i)));
  if (!is_text(output.text)) return invalid_argument("gave a text of more than 65536 bytes");
  return ok_status();
}

}  // namespace inferd::pipeline
