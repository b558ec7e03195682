// SPDX-License-Identifier: Apache-2.0
//
// float32 convolution with a 3x3 window and stride 1 by minimal filtering, F(4x4, 3x3) of Lavin and
// Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): output in tiles of 4x4 pixels,
// 36 products for each channel instead of 144.
//
//   U = G g G^T          weights, once: 36 matrices [in_c, out_c], packed in panels
//   V = B^T d B          6x6 input pixels of each tile
//   Y = A^T (U V) A      summed over in_c before the last transformation, a panel at a time
//
// Results differ from the direct sum by rounding, some 1e-6 of the largest value.
//
// U takes four times the memory of float32 weights, and eight times that of float16 ones, which
// stay float16 everywhere else: as float16 U would no longer give float32 results. Both are taken
// all the same, up to a few MiB a layer, because of what it saves in time; where memory matters
// more, engine.prefer_kernels with the direct kernel's name (conv2d_f32_neon) leaves it out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

inline constexpr int kWinogradTile = 4;       // output pixels each way
inline constexpr int kWinogradInput = 6;      // input pixels each way
inline constexpr int kWinogradProducts = 36;  // for each channel
inline constexpr int kWinogradLanes = 16;     // channels transformed at once

struct PackedWinograd final : PackedWeights {
  PanelSizes sizes;       // of one product: one segment of in_c
  AlignedArray<float> u;  // [panel][product][in_c][columns]
  AlignedArray<float> bias;
  float low = 0.F;
  float high = 0.F;
  std::vector<std::span<const std::byte>> arrays() const override {
    return {u.as_bytes(), bias.as_bytes()};
  }
};

struct WinogradPlan final : Prepared {
  int64_t batch = 0, in_h = 0, in_w = 0, in_c = 0, out_h = 0, out_w = 0, out_c = 0;
  int pad_top = 0, pad_left = 0;
  int64_t tiles_x = 0;
  int64_t tiles = 0;         // of an image
  int64_t block = 0;         // tiles transformed together
  int64_t v_stride = 0;      // elements from one tile's channels to the next
  int64_t worker_bytes = 0;  // of scratch: V of a block, then a panel's products
  int64_t v_bytes = 0;
  int max_workers = 1;
  std::vector<float> zeros;  // channels of a pixel outside of the image; a panel's bias
};

bool accepts_winograd(const OpDesc& op);
// In cycles, of an inner loop that does so many multiply-accumulates in each.
double winograd_cost(const OpDesc& op, double macs_per_cycle);
std::unique_ptr<PackedWeights> pack_winograd(const OpDesc& op, Tile tile, StoredWeights* stored);
std::unique_ptr<Prepared> plan_winograd(const OpDesc& op, Tile tile);

}  // namespace inferd::kernels::generic
