// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "media/picture.h"

namespace inferd::media {

// How bright the picture is in each of `columns` by `rows` cells of it, row by row, 0..255: the
// mean of at most 64 pixels that are spread over the cell, so that noise mostly goes, and large
// pictures take no longer than small ones. Of colours: of green. The picture has at least that many
// columns and rows.
void brightness_of_cells(const Picture& picture, int columns, int rows, std::vector<float>& out);

}  // namespace inferd::media
