// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/segmentation.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {
namespace {

bool is_integer(DType dtype) {
  return dtype == DType::kInt64 || dtype == DType::kInt32 || dtype == DType::kUInt8;
}

template <typename T>
void copy_labels(std::span<const T> labels, std::vector<uint16_t>& map) {
  map.resize(labels.size());
  std::transform(labels.begin(), labels.end(), map.begin(), [](T label) {
    const auto value = static_cast<int64_t>(label);
    return value >= 0 && value <= kMaxMapClass ? static_cast<uint16_t>(value) : uint16_t{0};
  });
}

// How rows or columns of the mask lie in the map, of whose side [begin, begin + extent) shows
// what the model has seen.
struct Side {
  double scale, offset, begin, extent;
  int size;
  bool backwards;  // the frame was turned or mirrored before the model saw it

  // Where the middle of one lies, or -1.
  int place(int cell, int cells) const {
    const double middle = ((backwards ? cells - 1 - cell : cell) + 0.5) / cells;
    const double part = middle * scale + offset;
    const double at = part * size;
    const bool seen = part >= begin && part < begin + extent && at >= 0 && at < size;
    return seen ? static_cast<int>(at) : -1;
  }
};

}  // namespace

Result<ClassMapLayout> ClassMapLayout::of(const TensorInfo& output, bool nchw) {
  const Shape& s = output.shape;
  const bool readable = output.dtype == DType::kFloat32 || output.dtype == DType::kInt8 ||
                        output.dtype == DType::kUInt8;
  ClassMapLayout layout;
  const bool labels = is_integer(output.dtype) && output.quantization.empty() &&
                      (s.rank() == 3 || (s.rank() == 4 && s[3] == 1));
  if (labels) {
    layout = {static_cast<int>(s[1]), static_cast<int>(s[2]), 0, false};
  } else if (s.rank() == 4 && readable && !output.quantization.per_channel()) {
    const auto at = [&](int d) { return static_cast<int>(s[d]); };
    layout = nchw ? ClassMapLayout{at(2), at(3), at(1), true}
                  : ClassMapLayout{at(1), at(2), at(3), false};
  }
  const bool known = s.is_static() && layout.height > 0 && layout.width > 0 && s[0] == 1 &&
                     (labels || layout.classes > 0) && layout.classes <= kMaxMapClass;
  if (known) return layout;
  return invalid_argument(
      "needs labels (INT64, INT32 or UINT8 [1,H,W]), or scores (FP32, or quantized to 8 bits) " +
      std::string(nchw ? "[1,classes,H,W]" : "[1,H,W,classes]") + "; the model gives " +
      std::string(dtype_name(output.dtype)) + s.to_string());
}

void map_labels(const TensorView& labels, std::vector<uint16_t>& map) {
  switch (labels.dtype) {
    case DType::kInt64:
      return copy_labels(labels.as<int64_t>(), map);
    case DType::kInt32:
      return copy_labels(labels.as<int32_t>(), map);
    default:
      return copy_labels(labels.as<uint8_t>(), map);
  }
}

void map_scores(std::span<const float> scores, const ClassMapLayout& layout, float threshold,
                std::vector<uint16_t>& map) {
  const size_t cells = static_cast<size_t>(layout.height) * static_cast<size_t>(layout.width);
  const auto classes = static_cast<size_t>(layout.classes);
  map.resize(cells);
  for (size_t cell = 0; cell < cells; ++cell) {
    const auto at = [&](size_t c) {
      return scores[layout.planes ? c * cells + cell : cell * classes + c];
    };
    size_t best = 0;
    if (classes == 1) best = at(0) >= threshold ? 1 : 0;
    for (size_t c = 1; c < classes; ++c) {
      // A NaN in the first place would be kept if only a higher score could take it.
      if (at(c) > at(best) || (std::isnan(at(best)) && !std::isnan(at(c)))) best = c;
    }
    map[cell] = static_cast<uint16_t>(best);
  }
}

void cover_frame(std::span<const uint16_t> map, const ClassMapLayout& layout,
                 const media::Placement& placement, Mask& mask, std::vector<ClassArea>& areas) {
  mask.runs.clear();
  areas.clear();
  const auto add_area = [&](uint32_t class_id, uint32_t cells) {
    const auto id = static_cast<int>(class_id);
    auto area = std::find_if(areas.begin(), areas.end(),
                             [&](const ClassArea& a) { return a.class_id == id; });
    if (area == areas.end()) area = areas.insert(areas.end(), {id, 0.F, {}});
    area->fraction += static_cast<float>(cells);
  };
  const media::Placement& p = placement;
  const bool quarter = p.rotate == 90 || p.rotate == 270;
  const Side columns{p.scale_x,     p.offset_x,   p.shown.x,
                     p.shown.width, layout.width, p.mirror != (p.rotate == 90 || p.rotate == 180)};
  const Side rows{p.scale_y,      p.offset_y,    p.shown.y,
                  p.shown.height, layout.height, p.rotate == 180 || p.rotate == 270};
  for (int y = 0; y < mask.height; ++y) {
    const int along_y = (quarter ? columns : rows).place(y, mask.height);
    for (int x = 0; x < mask.width; ++x) {
      const int along_x = (quarter ? rows : columns).place(x, mask.width);
      const int row = quarter ? along_x : along_y;
      const int column = quarter ? along_y : along_x;
      const bool seen = row >= 0 && column >= 0;
      const uint32_t class_id =
          seen ? map[static_cast<size_t>(row) * static_cast<size_t>(layout.width) +
                     static_cast<size_t>(column)]
               : 0;
      if (mask.runs.empty() || mask.runs[mask.runs.size() - 2] != class_id)
        mask.runs.insert(mask.runs.end(), {class_id, 0});
      ++mask.runs.back();
    }
  }
  for (size_t i = 0; i + 1 < mask.runs.size(); i += 2) add_area(mask.runs[i], mask.runs[i + 1]);
  const float cells = static_cast<float>(mask.width) * static_cast<float>(mask.height);
  for (ClassArea& area : areas) area.fraction /= cells;
  std::sort(areas.begin(), areas.end(), [](const ClassArea& a, const ClassArea& b) {
    return a.fraction > b.fraction || (a.fraction == b.fraction && a.class_id < b.class_id);
  });
}

}  // namespace inferd::pipeline
