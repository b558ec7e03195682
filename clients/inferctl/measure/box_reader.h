// SPDX-License-Identifier: Apache-2.0
//
// From a detector's outputs to boxes, for each way in which detectors write them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "clients/inferctl/measure/box.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"
#include "media/anchors.h"

namespace inferd::ctl {

// A cell of one of the grids that lie behind each other in an output.
struct Cell {
  float column = 0.F, row = 0.F, stride = 1.F;  // stride: pixels
};

// What a style needs to know besides the outputs. A style has anchors or cells or none of them.
struct Geometry {
  float width = 1.F, height = 1.F;  // of the input, in pixels
  std::vector<media::Anchor> anchors;
  std::vector<Cell> cells;

  Cell cell(size_t place) const { return place < cells.size() ? cells[place] : Cell{}; }
};

// One way to write boxes: a row of the table in box_reader.cc.
struct BoxStyle {
  const char* name;
  bool (*fits)(std::span<const TensorInfo> outputs);  // by their shapes
  std::vector<FoundBox> (*read)(std::span<const TensorView> outputs, const Geometry& geometry,
                                float min_score);
  bool by_itself;   // the shapes say as much, so that "auto" takes it
  bool suppressed;  // the model has dropped boxes that cover each other
  bool background;  // class 0 of a list of names is "nothing", and not counted by the outputs
};
std::span<const BoxStyle> box_styles();

class BoxReader {
 public:
  // INVALID_ARGUMENT when `outputs` are not of this style. They must be float32 (see
  // media/reals.h for those that are not).
  static Result<BoxReader> create(const BoxStyle& style, const TensorInfo& input,
                                  std::span<const TensorInfo> outputs);

  // Sizes that were open at create() are known only here.
  bool takes(std::span<const TensorView> outputs) const;

  // Boxes with at least this score; none of outputs that it does not take. Without known_places()
  // their rects are not where they are, but still comparable with each other in the same place.
  std::vector<FoundBox> read(std::span<const TensorView> outputs, float min_score) const;

  const BoxStyle& style() const { return *style_; }
  bool known_places() const { return known_places_; }

 private:
  BoxReader() = default;

  const BoxStyle* style_ = nullptr;
  Geometry geometry_;
  bool known_places_ = true;
};

}  // namespace inferd::ctl
