// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/box_reader.h"

#include <algorithm>
#include <cmath>

#include "media/preprocess.h"

namespace inferd::ctl {
namespace {

float sigmoid(float x) { return 1.F / (1.F + std::exp(-x)); }

FoundBox centred(size_t place, size_t class_id, float score, float x, float y, float w, float h) {
  return {place, class_id, score, {x - w / 2, y - h / 2, x + w / 2, y + h / 2}};
}

// Boxes and logits of each anchor: [1,A,>=4] and [1,A,classes].
template <typename Decode>
std::vector<FoundBox> read_anchors(std::span<const TensorView> outputs, const Geometry& geometry,
                                   float min_score, size_t background, const Decode& decode) {
  const auto boxes = outputs[0].as<float>();
  const auto logits = outputs[1].as<float>();
  const auto width = static_cast<size_t>(outputs[0].shape.back());
  const auto classes = static_cast<size_t>(outputs[1].shape.back());
  std::vector<FoundBox> found;
  for (size_t a = 0; a < geometry.anchors.size(); ++a) {
    for (size_t c = background; c < classes; ++c) {
      const float score = sigmoid(logits[a * classes + c]);
      if (!(score >= min_score)) continue;
      found.push_back(decode(a, c, score, boxes.subspan(a * width, 4), geometry.anchors[a]));
    }
  }
  return found;
}

// TensorFlow's box coding: y, x, h, w in units of the anchor, sizes exponential.
std::vector<FoundBox> read_ssd(std::span<const TensorView> outputs, const Geometry& geometry,
                               float min_score) {
  return read_anchors(outputs, geometry, min_score, 1,
                      [](size_t a, size_t c, float score, std::span<const float> code,
                         const media::Anchor& anchor) {
                        return centred(a, c, score, code[1] / 10 * anchor.width + anchor.x,
                                       code[0] / 10 * anchor.height + anchor.y,
                                       std::exp(code[3] / 5) * anchor.width,
                                       std::exp(code[2] / 5) * anchor.height);
                      });
}

// MediaPipe's: x, y, w, h in pixels.
std::vector<FoundBox> read_blazeface(std::span<const TensorView> outputs, const Geometry& geometry,
                                     float min_score) {
  return read_anchors(outputs, geometry, min_score, 0,
                      [&](size_t a, size_t c, float score, std::span<const float> code,
                          const media::Anchor& anchor) {
                        return centred(a, c, score, code[0] / geometry.width + anchor.x,
                                       code[1] / geometry.height + anchor.y,
                                       code[2] / geometry.width, code[3] / geometry.height);
                      });
}

// [1,5+classes,H,W]: objectness, box, probabilities of classes of each cell.
std::vector<FoundBox> read_fastestdet(std::span<const TensorView> outputs, const Geometry&,
                                      float min_score) {
  const auto values = outputs[0].as<float>();
  const Shape& shape = outputs[0].shape;
  const auto columns = static_cast<size_t>(shape[3]);
  const auto cells = static_cast<size_t>(shape[2]) * columns;
  std::vector<FoundBox> found;
  for (size_t cell = 0; cell < cells; ++cell) {
    const auto at = [&](size_t channel) { return values[channel * cells + cell]; };
    size_t best = 5;
    for (size_t c = 6; c < static_cast<size_t>(shape[1]); ++c) best = at(c) > at(best) ? c : best;
    const float score = std::pow(at(0), 0.6F) * std::pow(at(best), 0.4F);
    if (!(score >= min_score)) continue;
    const auto column = static_cast<float>(cell % columns);
    const size_t row = cell / columns;
    found.push_back(
        centred(cell, best - 5, score, (column + std::tanh(at(1))) / static_cast<float>(columns),
                (static_cast<float>(row) + std::tanh(at(2))) / static_cast<float>(shape[2]),
                sigmoid(at(3)), sigmoid(at(4))));
  }
  return found;
}

// Of YuNet, YOLOX and NanoDet: grids of cells 8, 16 and 32 pixels wide, row by row.
std::vector<Cell> grid_cells(float width, float height) {
  std::vector<Cell> cells;
  for (const float stride : {8.F, 16.F, 32.F}) {
    for (float row = 0; row < std::ceil(height / stride); ++row) {
      for (float column = 0; column < std::ceil(width / stride); ++column) {
        cells.push_back({column, row, stride});
      }
    }
  }
  return cells;
}

// Centre and size in units of the cell, the centre from its corner, the size exponential.
FoundBox in_cell(size_t place, size_t class_id, float score, std::span<const float> code,
                 const Geometry& geometry) {
  const Cell cell = geometry.cell(place);
  return centred(place, class_id, score, (cell.column + code[0]) * cell.stride / geometry.width,
                 (cell.row + code[1]) * cell.stride / geometry.height,
                 std::exp(code[2]) * cell.stride / geometry.width,
                 std::exp(code[3]) * cell.stride / geometry.height);
}

// Classes of each grid, then objectness, then boxes, then key points.
std::vector<FoundBox> read_yunet(std::span<const TensorView> outputs, const Geometry& geometry,
                                 float min_score) {
  constexpr size_t kGrids = 3;
  std::vector<FoundBox> found;
  size_t place = 0;
  for (size_t grid = 0; grid < kGrids; ++grid) {
    const auto classes = outputs[grid].as<float>();
    const auto objectness = outputs[kGrids + grid].as<float>();
    const auto boxes = outputs[2 * kGrids + grid].as<float>();
    for (size_t i = 0; i < classes.size(); ++i, ++place) {
      const float score = std::sqrt(classes[i] * objectness[i]);
      if (!(score >= min_score)) continue;
      found.push_back(in_cell(place, 0, score, boxes.subspan(i * 4, 4), geometry));
    }
  }
  return found;
}

// [1,cells,5+classes]: box, objectness, probabilities of classes.
std::vector<FoundBox> read_yolox(std::span<const TensorView> outputs, const Geometry& geometry,
                                 float min_score) {
  const auto values = outputs[0].as<float>();
  const auto width = static_cast<size_t>(outputs[0].shape.back());
  std::vector<FoundBox> found;
  for (size_t i = 0; i < values.size() / width; ++i) {
    const auto cell = values.subspan(i * width, width);
    for (size_t c = 5; c < width; ++c) {
      const float score = cell[4] * cell[c];
      if (!(score >= min_score)) continue;
      found.push_back(in_cell(i, c - 5, score, cell.first(4), geometry));
    }
  }
  return found;
}

// The mean of a distribution over 0, 1, 2, ... given by logits.
float expected_step(std::span<const float> logits) {
  float sum = 0;
  float mean = 0;
  const float most = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const float weight = std::exp(logits[i] - most);
    sum += weight;
    mean += weight * static_cast<float>(i);
  }
  return mean / sum;
}

// Probabilities of classes of each grid, then distances of the box's left, upper, right and lower
// edge from the cell's centre, each a distribution over kSteps cells (Generalized Focal Loss).
constexpr size_t kSteps = 8;
std::vector<FoundBox> read_nanodet(std::span<const TensorView> outputs, const Geometry& geometry,
                                   float min_score) {
  constexpr size_t kGrids = 3;
  std::vector<FoundBox> found;
  size_t place = 0;
  for (size_t grid = 0; grid < kGrids; ++grid) {
    const auto width = static_cast<size_t>(outputs[grid].shape.back());
    const auto scores = outputs[grid].as<float>();
    const auto edges = outputs[kGrids + grid].as<float>();
    for (size_t i = 0; i < scores.size() / width; ++i, ++place) {
      const Cell cell = geometry.cell(place);
      const auto far = [&](size_t edge) {
        return expected_step(edges.subspan((4 * i + edge) * kSteps, kSteps)) * cell.stride;
      };
      const float x = (cell.column + 0.5F) * cell.stride;
      const float y = (cell.row + 0.5F) * cell.stride;
      for (size_t c = 0; c < width; ++c) {
        const float score = scores[i * width + c];
        if (!(score >= min_score)) continue;
        found.push_back({place,
                         c,
                         score,
                         {(x - far(0)) / geometry.width, (y - far(1)) / geometry.height,
                          (x + far(2)) / geometry.width, (y + far(3)) / geometry.height}});
      }
    }
  }
  return found;
}

// TFLite_Detection_PostProcess: boxes (y, x, y, x), classes, scores, count. All are in one place.
std::vector<FoundBox> read_detections(std::span<const TensorView> outputs, const Geometry&,
                                      float min_score) {
  const auto boxes = outputs[0].as<float>();
  const auto classes = outputs[1].as<float>();
  const auto scores = outputs[2].as<float>();
  constexpr float kMaxClass = 1e6F;  // those of a bad model are anything
  std::vector<FoundBox> found;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] >= min_score) || !(classes[i] >= 0.F && classes[i] <= kMaxClass)) continue;
    if (static_cast<float>(i) >= outputs[3].as<float>()[0]) break;
    const auto box = boxes.subspan(i * 4, 4);
    found.push_back(
        {0, static_cast<size_t>(classes[i]), scores[i], {box[1], box[0], box[3], box[2]}});
  }
  return found;
}

int64_t elements_after(const Shape& shape, int first) {
  int64_t count = 1;
  for (int d = first; d < shape.rank(); ++d) count *= shape[d];
  return count;
}

bool fits_anchors(std::span<const TensorInfo> o) {
  return o.size() == 2 && o[0].shape.rank() == 3 && o[1].shape.rank() == 3 &&
         o[0].shape[1] == o[1].shape[1] && o[0].shape[1] >= 1 && o[0].shape[2] >= 4 &&
         o[1].shape[2] >= 1;
}
bool fits_fastestdet(std::span<const TensorInfo> o) {
  return o.size() == 1 && o[0].shape.rank() == 4 && o[0].shape[1] > 5;
}
bool fits_yolox(std::span<const TensorInfo> o) {
  return o.size() == 1 && o[0].shape.rank() == 3 && o[0].shape[2] > 5;
}
bool fits_yunet(std::span<const TensorInfo> o) {
  constexpr size_t kOutputs = 12;
  if (o.size() != kOutputs) return false;
  for (size_t grid = 0; grid < 3; ++grid) {
    const int64_t cells = elements_after(o[grid].shape, 1);
    if (elements_after(o[grid + 3].shape, 1) != cells ||
        elements_after(o[grid + 6].shape, 1) != 4 * cells) {
      return false;
    }
  }
  return true;
}
bool fits_nanodet(std::span<const TensorInfo> o) {
  constexpr size_t kOutputs = 6;
  if (o.size() != kOutputs) return false;
  for (size_t grid = 0; grid < 3; ++grid) {
    const Shape& scores = o[grid].shape;
    const Shape& edges = o[grid + 3].shape;
    if (scores.rank() != 3 || edges.rank() != 3 || scores[1] != edges[1] || scores[2] < 1 ||
        edges[2] != static_cast<int64_t>(4 * kSteps)) {
      return false;
    }
  }
  return true;
}
bool fits_detections(std::span<const TensorInfo> o) {
  return o.size() == 4 && o[0].shape.rank() == 3 && o[0].shape[2] == 4 &&
         o[1].shape == o[2].shape && o[1].shape.rank() == 2 && o[0].shape[1] == o[1].shape[1] &&
         o[3].shape.rank() == 1 && o[3].shape[0] != 0;
}

constexpr BoxStyle kStyles[] = {
    {"detections", fits_detections, read_detections, true, true, true},
    {"ssd", fits_anchors, read_ssd, false, false, false},
    {"blazeface", fits_anchors, read_blazeface, false, false, false},
    {"fastestdet", fits_fastestdet, read_fastestdet, false, false, false},
    {"yunet", fits_yunet, read_yunet, false, false, false},
    {"yolox", fits_yolox, read_yolox, false, false, false},
    {"nanodet", fits_nanodet, read_nanodet, false, false, false},
};

bool has_grids(const BoxStyle& style) {
  return style.read == read_yolox || style.read == read_yunet || style.read == read_nanodet;
}

// How many cells the outputs of a style with grids have.
int64_t cells_of(const BoxStyle& style, std::span<const TensorInfo> outputs) {
  if (style.read == read_yolox) return outputs[0].shape[1];
  int64_t count = 0;
  if (style.read == read_nanodet) {
    for (size_t grid = 0; grid < 3; ++grid) count += outputs[grid].shape[1];
    return count;
  }
  for (size_t grid = 0; grid < 3; ++grid) count += elements_after(outputs[grid].shape, 1);
  return count;
}

// The anchors that models of this style are published with, by the size of their input.
std::vector<media::Anchor> usual_anchors(const BoxStyle& style, const media::ImageTensor& image) {
  constexpr int kFullRange = 192;  // pixels
  constexpr int kBackCamera = 256;
  if (style.read == read_blazeface) {
    if (image.width == kFullRange) return media::blazeface_anchors(image.width, {4}, 1);
    const int first = image.width == kBackCamera ? 16 : 8;
    return media::blazeface_anchors(image.width, {first, 2 * first, 2 * first, 2 * first});
  }
  constexpr int kLayers = 6;
  std::vector<int> cells = {(image.width + 15) / 16};
  while (cells.size() < kLayers) cells.push_back((cells.back() + 1) / 2);
  return media::ssd_anchors(cells, 0.2F, 0.95F);
}

}  // namespace

std::span<const BoxStyle> box_styles() { return kStyles; }

Result<BoxReader> BoxReader::create(const BoxStyle& style, const TensorInfo& input,
                                    std::span<const TensorInfo> outputs) {
  const bool floats = std::all_of(outputs.begin(), outputs.end(), [](const TensorInfo& output) {
    return output.dtype == DType::kFloat32;
  });
  if (!floats || !style.fits(outputs)) {
    return invalid_argument("the model's outputs are not of the style '" + std::string(style.name) +
                            "'");
  }
  BoxReader reader;
  reader.style_ = &style;
  Geometry& geometry = reader.geometry_;
  if (const auto image = media::image_tensor_of(input); image.ok()) {
    geometry.width = static_cast<float>(image->width);
    geometry.height = static_cast<float>(image->height);
    if (style.fits == fits_anchors) geometry.anchors = usual_anchors(style, *image);
    if (has_grids(style)) geometry.cells = grid_cells(geometry.width, geometry.height);
  }
  if (style.fits == fits_anchors) {
    const auto count = static_cast<size_t>(outputs[0].shape[1]);
    reader.known_places_ = geometry.anchors.size() == count;
    if (!reader.known_places_) geometry.anchors.assign(count, {0.5F, 0.5F, 1.F, 1.F});
  } else if (has_grids(style)) {
    const auto count = static_cast<int64_t>(geometry.cells.size());
    reader.known_places_ = count > 0 && count == cells_of(style, outputs);
    if (!reader.known_places_) geometry.cells.clear();
  }
  return reader;
}

bool BoxReader::takes(std::span<const TensorView> outputs) const {
  std::vector<TensorInfo> infos;
  infos.reserve(outputs.size());
  for (const TensorView& output : outputs) {
    if (output.shape.rank() > 1 && output.shape[0] != 1) return false;  // of one picture
    infos.push_back({"", output.dtype, output.shape, {}});
  }
  if (!style_->fits(infos)) return false;
  const auto anchors = static_cast<int64_t>(geometry_.anchors.size());
  return anchors == 0 || outputs[0].shape[1] == anchors;
}

std::vector<FoundBox> BoxReader::read(std::span<const TensorView> outputs, float min_score) const {
  if (!takes(outputs)) return {};
  return style_->read(outputs, geometry_, min_score);
}

}  // namespace inferd::ctl
