// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/winograd.h"

#include <algorithm>
#include <array>
#include <thread>

#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
namespace {

constexpr int64_t kBlockBytes = 512 * 1024;  // of V: stays in the second-level cache

// Transformed weights are four times the original ones. Beyond this they neither stay in a cache
// nor are worth their memory.
constexpr int64_t kMostWeightBytes = 4 << 20;

int64_t tiles_over(int64_t pixels) { return (pixels + kWinogradTile - 1) / kWinogradTile; }

constexpr double kG[6][3] = {{1. / 4, 0, 0},
                             {-1. / 6, -1. / 6, -1. / 6},
                             {-1. / 6, 1. / 6, -1. / 6},
                             {1. / 24, 1. / 12, 1. / 6},
                             {1. / 24, -1. / 12, 1. / 6},
                             {0, 0, 1}};

// G g G^T of the 3x3 weights g from `first`, `stride` apart.
std::array<float, kWinogradProducts> transformed(const FloatReader& g, int64_t first,
                                                 int64_t stride) {
  double half[6][3];
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 3; ++j) {
      half[i][j] = 0;
      for (int k = 0; k < 3; ++k) half[i][j] += kG[i][k] * double{g[first + (k * 3 + j) * stride]};
    }
  }
  std::array<float, kWinogradProducts> u{};
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 6; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += half[i][k] * kG[j][k];
      u[static_cast<size_t>(i * 6 + j)] = static_cast<float>(sum);
    }
  }
  return u;
}

}  // namespace

bool accepts_winograd(const OpDesc& op) {
  if (!accepts_float_matrix(op) || op.kind != OpKind::kConv2d) return false;
  const auto& attrs = op.attrs_as<Conv2dAttrs>();
  const Window2d& w = attrs.window;
  const int64_t weight_bytes = op.inputs[1].elements() / 9 * kWinogradProducts * 4;
  return weight_bytes <= kMostWeightBytes && attrs.groups == 1 && w.kernel_h == 3 &&
         w.kernel_w == 3 && w.stride_h == 1 && w.stride_w == 1 && w.dilation_h == 1 &&
         w.dilation_w == 1;
}

double winograd_cost(const OpDesc& op, double macs_per_cycle) {
  const Shape& w = op.inputs[1].shape;
  const Shape& y = op.outputs[0].shape;
  const auto in_c = static_cast<double>(w[3]);
  const auto out_c = static_cast<double>(w[0]);
  const auto tiles = static_cast<double>(y[0] * tiles_over(y[1]) * tiles_over(y[2]));
  const double macs = tiles * kWinogradProducts * in_c * out_c;
  // Transformations, of whole registers of channels: as measured, the time of about 20 products for
  // each element of V and of the products.
  const auto lanes =
      static_cast<double>(round_up(w[3], kWinogradLanes) + round_up(w[0], kWinogradLanes));
  const double moved = tiles * kWinogradProducts * lanes * 20;
  // The transformed weights are four times the original ones and come from memory once for each
  // block of tiles: about 4 bytes a cycle.
  const double weights = kWinogradProducts * in_c * out_c;
  const double per_block = static_cast<double>(kBlockBytes) / (kWinogradProducts * in_c * 4);
  const double blocks = std::max(tiles / std::max(per_block, 1.), 1.);
  return (macs + moved) / macs_per_cycle + weights * blocks;
}

std::unique_ptr<PackedWeights> pack_winograd(const OpDesc& op, Tile tile, StoredWeights* stored) {
  const Shape& w = op.inputs[1].shape;
  const int64_t in_c = w[3];
  const int64_t out_c = w[0];
  const FloatReader weights(op.inputs[1]);
  auto packed = std::make_unique<PackedWinograd>();
  // Of one product: its depth is the input channels, never padded in float.
  const PanelSizes& sizes = packed->sizes = panel_sizes(out_c, 1, in_c, tile);
  packed->u = AlignedArray<float>(
      static_cast<size_t>(kWinogradProducts * in_c * sizes.padded_columns), stored);
  packed->bias = AlignedArray<float>(static_cast<size_t>(sizes.padded_columns), stored);
  const Activation activation = activation_of(op);
  packed->low = activation.min;
  packed->high = activation.max;
  if (stored != nullptr) return packed;
  for (int64_t o = 0; o < out_c; ++o) {
    const int64_t first = o / tile.columns * tile.columns;
    const int64_t width = std::min<int64_t>(tile.columns, sizes.padded_columns - first);
    float* const panel = packed->u.data() + kWinogradProducts * in_c * first;
    for (int64_t c = 0; c < in_c; ++c) {
      const auto u = transformed(weights, o * 9 * in_c + c, in_c);
      for (int64_t p = 0; p < kWinogradProducts; ++p) {
        panel[(p * in_c + c) * width + o - first] = u[static_cast<size_t>(p)];
      }
    }
    if (op.has_input(2)) {
      packed->bias[static_cast<size_t>(o)] = op.inputs[2].constant<float>()[static_cast<size_t>(o)];
    }
  }
  return packed;
}

std::unique_ptr<Prepared> plan_winograd(const OpDesc& op, Tile tile) {
  const Shape& x = op.inputs[0].shape;
  const Shape& y = op.outputs[0].shape;
  const Window2d& window = op.attrs_as<Conv2dAttrs>().window;
  auto plan = std::make_unique<WinogradPlan>();
  plan->batch = y[0];
  plan->in_h = x[1];
  plan->in_w = x[2];
  plan->in_c = x[3];
  plan->out_h = y[1];
  plan->out_w = y[2];
  plan->out_c = y[3];
  plan->pad_top = window.pad_top;
  plan->pad_left = window.pad_left;
  plan->tiles_x = tiles_over(plan->out_w);
  plan->tiles = tiles_over(plan->out_h) * plan->tiles_x;
  plan->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  plan->v_stride = round_up(plan->in_c, kWinogradLanes);
  // Rows a multiple of 4 KiB apart compete for the same few lines of the first-level cache.
  if (plan->v_stride % 1024 == 0) plan->v_stride += kWinogradLanes;
  const int64_t tile_bytes = kWinogradProducts * plan->v_stride * 4;
  const int64_t most = std::max<int64_t>(kBlockBytes / std::max<int64_t>(tile_bytes, 1), 1);
  const int64_t shared = (plan->tiles + plan->max_workers - 1) / plan->max_workers;
  plan->block = std::max<int64_t>(std::min(most, shared), 1);
  plan->v_bytes = round_up(plan->block * tile_bytes, 64);
  plan->worker_bytes = plan->v_bytes + plan->block * kWinogradProducts * tile.columns * 4;
  plan->worker_bytes = round_up(plan->worker_bytes, 64);
  plan->scratch_bytes = plan->worker_bytes * plan->max_workers;
  plan->zeros.assign(
      static_cast<size_t>(std::max<int64_t>(round_up(plan->in_c, kWinogradLanes), tile.columns)),
      0.F);
  return plan;
}

}  // namespace inferd::kernels::generic
