// SPDX-License-Identifier: Apache-2.0
//
// Where in a camera's bent picture the positions of a straight one are.
#pragma once

#include <functional>
#include <optional>

#include "media/lens.h"
#include "media/resample/mapping.h"
#include "media/resample/rows.h"

namespace inferd::media {

// Along one side of a plane, the pixel below a place, and how far the place is from it towards the
// next one, of kWarpOne. `place` is in pixels of the plane, of which there are at least two.
struct WarpTap {
  int low = 0, part = 0;
};
WarpTap warp_tap(double place, int pixels);

// The place in pixels of the plane where a place of the picture is, for components of which one
// lies in the middle of each group of pixels.
PlanePoint in_plane(const Component& component, PlanePoint place);

// Where the position of a line is in the bent picture, or nothing.
using WarpPlaces = std::function<std::optional<PlanePoint>(int line, int position)>;

// For `components`, which lie in one plane of a picture of that size and share their grid.
Warp make_warp(std::span<const Component> components, int width, int height, int count, int lines,
               const WarpPlaces& places);

// Components `first` to `first + count` of a format that make_warp() takes together.
struct WarpGroup {
  size_t first = 0, count = 0;
};
std::vector<WarpGroup> warp_groups(const Components& components);

// The value, centred, of a component whose pixel nobody saw: black.
int16_t unseen_value(const Components& components, size_t component, ColorSpace color);

// A line of `picture`, of whose components `first` is the first one of the warp: centred values,
// for whole blocks, and what is unseen.
void warp_line(const RowKernels& kernels, const Warp& w, const Picture& picture, size_t first,
               int line, const std::array<int16_t*, 3>& values);

}  // namespace inferd::media
