// SPDX-License-Identifier: Apache-2.0
#include "media/cells.h"

#include <algorithm>

#include "media/resample/mapping.h"

namespace inferd::media {
namespace {

constexpr int kAcross = 8;  // pixels of a cell that are looked at

// Pixel `i` of those of a cell; they are spread evenly.
int place(int i, int count, int cell, int cells, int size) {
  const int64_t begin = int64_t{size} * cell / cells;
  const int64_t end = int64_t{size} * (cell + 1) / cells;
  return static_cast<int>(begin + (end - begin) * i / count);
}

}  // namespace

void brightness_of_cells(const Picture& picture, int columns, int rows, std::vector<float>& out) {
  const Components& components = components_of(picture.format);
  const Component& at = components.at[components.yuv || components.grey ? 0 : 1];
  const auto plane = static_cast<size_t>(at.plane);
  const int across = std::min(kAcross, picture.width / columns);
  const int down = std::min(kAcross, picture.height / rows);
  out.resize(static_cast<size_t>(columns) * static_cast<size_t>(rows));
  float* cell = out.data();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      int sum = 0;
      for (int j = 0; j < down; ++j) {
        const auto y = static_cast<size_t>(place(j, down, row, rows, picture.height));
        const uint8_t* line = picture.planes[plane] + y * picture.strides[plane] + at.first;
        for (int i = 0; i < across; ++i)
          sum += line[place(i, across, column, columns, picture.width) * at.step];
      }
      *cell++ = static_cast<float>(sum) / static_cast<float>(across * down);
    }
  }
}

}  // namespace inferd::media
