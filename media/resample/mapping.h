// SPDX-License-Identifier: Apache-2.0
//
// Which pixels of a picture a place of the tensor lies between, and where its values are in memory.
#pragma once

#include "media/preprocess.h"

namespace inferd::media {

// One side of the picture, and the positions of the tensor that are laid along it.
struct Axis {
  int pixels = 0;                // of the picture
  int count = 0;                 // positions
  double start = 0, extent = 0;  // what they cover, in pixels
  bool backwards = false;        // the first position is at its end
};

// Between pixels `low` and `high`, its neighbour; `weight`, below kOneRow, is that of `high`. Where
// it is zero, `high` may be `low` again.
struct Tap {
  int low = 0, high = 0, weight = 0;
};
Tap tap_at(const Axis& axis, int position);
// The same place, in pixels whose centres are whole numbers, within the outer ones.
double place_at(const Axis& axis, int position);

// The tensor's rectangle that shows the picture, and what is shown there.
struct Mapping {
  Axis across, down;    // the picture's x and y
  bool turned = false;  // `across` runs along the tensor's height
  int x = 0, y = 0, width = 0, height = 0;
  Placement placement;
};
Mapping map_picture(int width, int height, const Preprocess& options, const ImageTensor& tensor);

// Where component c (red, green, blue, or Y, U, V) of pixel (x, y) is: byte
// (x >> shift_x) * step + first of row y >> shift_y of the plane.
struct Component {
  int plane, shift_x, shift_y, step, first;
};
struct Components {
  std::array<Component, 3> at;
  bool yuv = false, grey = false;  // grey: one component three times
};
const Components& components_of(PixelFormat format);

}  // namespace inferd::media
