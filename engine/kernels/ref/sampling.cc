// SPDX-License-Identifier: Apache-2.0
//
// Sampling an image at computed positions: grid sampling and region of interest align.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

constexpr int kMaxTaps = 4;  // along one dimension

// Along one dimension: which input positions are summed, and how much each weighs.
struct Taps1d {
  int count = 0;
  std::array<int64_t, kMaxTaps> at{};  // within the input
  std::array<float, kMaxTaps> weight{};
};

// Mirrors `x` at low and high until it lies between them.
float reflect(float x, float low, float high) {
  const float span = high - low;
  if (!(span > 0)) return low;
  const float distance = std::fmod(std::abs(x - low), 2 * span);
  return low + (distance > span ? 2 * span - distance : distance);
}

// Keys' kernel with a = -0.75.
float cubic(float distance) {
  constexpr float kA = -0.75F;
  const float d = std::abs(distance);
  if (d <= 1) return ((kA + 2) * d - (kA + 3)) * d * d + 1;
  return d < 2 ? ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA : 0.F;
}

// One dimension of `size` positions.
class GridAxis {
 public:
  GridAxis(const GridSampleAttrs& attrs, int64_t size)
      : attrs_(attrs), size_(size), last_(static_cast<float>(size - 1)) {}

  Taps1d taps(float grid) const {
    Taps1d taps;
    if (size_ == 0) return taps;
    const float x = padded(position(grid));
    if (std::isnan(x)) return taps;
    if (attrs_.padding == GridPadding::kOnlyInside && !(x >= 0 && x <= last_)) return taps;
    // Nothing lies so far outside; converts without overflow.
    const float at = std::clamp(x, -4.F, last_ + 4);
    const auto low = static_cast<int64_t>(std::floor(at));
    const float beyond = at - static_cast<float>(low);
    switch (attrs_.mode) {
      case ResizeMode::kNearest:
        add(taps, static_cast<int64_t>(std::nearbyint(at)), 1);
        break;
      case ResizeMode::kLinear:
        add(taps, low, 1 - beyond);
        add(taps, low + 1, beyond);
        break;
      case ResizeMode::kCubic:
        for (int k = -1; k < kMaxTaps - 1; ++k) {
          add(taps, low + k, cubic(beyond - static_cast<float>(k)));
        }
        break;
    }
    return taps;
  }

 private:
  float position(float grid) const {
    switch (attrs_.positions) {
      case GridPositions::kAlignCorners:
        return (grid + 1) / 2 * last_;
      case GridPositions::kEdges:
        return ((grid + 1) * static_cast<float>(size_) - 1) / 2;
      default:
        return grid;
    }
  }
  float padded(float x) const {
    if (attrs_.padding == GridPadding::kBorder) return std::clamp(x, 0.F, last_);
    if (attrs_.padding != GridPadding::kReflection) return x;
    // Cubic taps are reflected one by one as well.
    return reflected(x);
  }
  float reflected(float x) const {
    const bool edges = attrs_.positions == GridPositions::kEdges;
    const float inside = edges ? reflect(x, -0.5F, last_ + 0.5F) : reflect(x, 0.F, last_);
    return std::clamp(inside, 0.F, last_);
  }
  void add(Taps1d& taps, int64_t at, float weight) const {
    if (at < 0 || at >= size_) {
      if (attrs_.padding == GridPadding::kZeros || attrs_.padding == GridPadding::kOnlyInside)
        return;
      at = attrs_.padding == GridPadding::kBorder
               ? std::clamp<int64_t>(at, 0, size_ - 1)
               : static_cast<int64_t>(reflected(static_cast<float>(at)));
    }
    const auto i = static_cast<size_t>(taps.count++);
    taps.at[i] = at;
    taps.weight[i] = weight;
  }

  const GridSampleAttrs& attrs_;
  int64_t size_;
  float last_;
};

// y[0..channels) of one sample. `grid` has its position, the last dimension first.
void sample(const GridSampleAttrs& attrs, const Shape& x, const float* image, const float* grid,
            float* y) {
  const int dims = x.rank() - 2;
  std::array<Taps1d, 3> taps;
  taps[0] = {.count = 1, .at = {0}, .weight = {1}};  // depth, where there is none
  for (int d = 0; d < dims; ++d) {
    taps[static_cast<size_t>(3 - dims + d)] = GridAxis(attrs, x[d + 1]).taps(grid[dims - 1 - d]);
  }
  const int64_t channels = x.back();
  const int64_t rows = x[dims - 1];
  std::fill_n(y, channels, 0.F);
  const auto add = [&](size_t i, size_t j, size_t k) {
    const float weight = taps[0].weight[i] * taps[1].weight[j] * taps[2].weight[k];
    const int64_t at = (taps[0].at[i] * rows + taps[1].at[j]) * x[dims] + taps[2].at[k];
    for (int64_t c = 0; c < channels; ++c) y[c] += weight * image[at * channels + c];
  };
  for (int i = 0; i < taps[0].count; ++i) {
    for (int j = 0; j < taps[1].count; ++j) {
      for (int k = 0; k < taps[2].count; ++k) {
        add(static_cast<size_t>(i), static_cast<size_t>(j), static_cast<size_t>(k));
      }
    }
  }
}

// More samples than this a side of an output pixel say nothing more about an image.
constexpr float kMostSamples = 1024;

// One region: where its output pixels and their samples begin and how far apart they are.
struct Region {
  float top, left;         // in pixels of the image
  float pixel_h, pixel_w;  // of the output
  int64_t samples_h, samples_w;

  Region(const RoiAlignAttrs& attrs, const float* roi) {
    const float shift = attrs.half_pixel ? 0.5F : 0.F;
    left = roi[0] * attrs.spatial_scale - shift;
    top = roi[1] * attrs.spatial_scale - shift;
    float height = roi[3] * attrs.spatial_scale - shift - top;
    float width = roi[2] * attrs.spatial_scale - shift - left;
    if (!attrs.half_pixel) {
      height = std::max(height, 1.F);
      width = std::max(width, 1.F);
    }
    pixel_h = height / static_cast<float>(attrs.out_h);
    pixel_w = width / static_cast<float>(attrs.out_w);
    samples_h = samples(attrs, pixel_h);
    samples_w = samples(attrs, pixel_w);
  }

  static int64_t samples(const RoiAlignAttrs& attrs, float pixel) {
    if (attrs.sampling_ratio > 0) return attrs.sampling_ratio;
    return convert<int64_t>(std::min(std::ceil(pixel), kMostSamples));
  }
};

// The two positions around a sample along one dimension; none when it lies outside.
struct Around {
  bool outside = false;
  int64_t low = 0, high = 0;
  float beyond = 0;

  Around(float at, int64_t size) {
    outside = !(at >= -1 && at <= static_cast<float>(size)) || size == 0;
    if (outside) return;
    at = std::max(at, 0.F);
    low = std::min(static_cast<int64_t>(at), size - 1);
    high = std::min(low + 1, size - 1);
    beyond = low == high ? 0.F : at - static_cast<float>(low);
  }
};

// Adds one sample to y[0..channels), or takes the maximum of its weighted pixels.
void take_sample(const Shape& x, const float* image, const Around& row, const Around& column,
                 bool max, float* y) {
  const auto pixel = [&](int64_t h, int64_t w) { return image + (h * x[2] + w) * x[3]; };
  const std::array<const float*, 4> from = {pixel(row.low, column.low), pixel(row.low, column.high),
                                            pixel(row.high, column.low),
                                            pixel(row.high, column.high)};
  const std::array<float, 4> weight = {
      (1 - row.beyond) * (1 - column.beyond), (1 - row.beyond) * column.beyond,
      row.beyond * (1 - column.beyond), row.beyond * column.beyond};
  for (int64_t c = 0; c < x[3]; ++c) {
    for (size_t i = 0; i < 4; ++i) {
      const float value = weight[i] * from[i][c];
      y[c] = max ? std::max(y[c], value) : y[c] + value;
    }
  }
}

void align_pixel(const RoiAlignAttrs& attrs, const Shape& x, const float* image,
                 const Region& region, int64_t oh, int64_t ow, float* y) {
  const int64_t count = region.samples_h * region.samples_w;
  const bool max = attrs.max && count > 0;
  std::fill_n(y, x[3], max ? -kInf : 0.F);
  for (int64_t i = 0; i < region.samples_h; ++i) {
    const float step_h = (static_cast<float>(i) + 0.5F) / static_cast<float>(region.samples_h);
    const Around row(region.top + (static_cast<float>(oh) + step_h) * region.pixel_h, x[1]);
    for (int64_t j = 0; j < region.samples_w; ++j) {
      const float step_w = (static_cast<float>(j) + 0.5F) / static_cast<float>(region.samples_w);
      const Around column(region.left + (static_cast<float>(ow) + step_w) * region.pixel_w, x[2]);
      if (!row.outside && !column.outside) {
        take_sample(x, image, row, column, attrs.max, y);
      } else if (max) {  // zeros lie outside
        for (int64_t c = 0; c < x[3]; ++c) y[c] = std::max(y[c], 0.F);
      }
    }
  }
  if (attrs.max) return;
  for (int64_t c = 0; c < x[3]; ++c) y[c] /= static_cast<float>(std::max<int64_t>(count, 1));
}

}  // namespace

bool accepts_grid_sample(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.inputs[1]) && is_float(op.outputs[0]);
}

void run_grid_sample(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<GridSampleAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const Shape& grid = args.op.inputs[1].shape;
  const int64_t per_image = grid.elements(1, grid.rank() - 1);
  const int64_t image = x.elements(1, x.rank());
  args.parallel_for(grid[0] * per_image, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      sample(attrs, x, args.input<float>(0) + i / per_image * image,
             args.input<float>(1) + i * grid.back(), args.output<float>(0) + i * x.back());
    }
  });
}

bool accepts_roi_align(const OpDesc& op) {
  const DType images = op.inputs[2].dtype;
  return is_float(op.inputs[0]) && is_float(op.inputs[1]) && is_float(op.outputs[0]) &&
         (images == DType::kInt32 || images == DType::kInt64);
}

void run_roi_align(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<RoiAlignAttrs>();
  const Shape& x = args.op.inputs[0].shape;
  const bool wide = args.op.inputs[2].dtype == DType::kInt64;
  const int64_t area = attrs.out_h * attrs.out_w;
  args.parallel_for(args.op.outputs[0].shape[0], 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t n = wide ? args.input<int64_t>(2)[r] : int64_t{args.input<int32_t>(2)[r]};
      float* y = args.output<float>(0) + r * area * x[3];
      if (n < 0 || n >= x[0]) {
        std::fill_n(y, area * x[3], 0.F);
        continue;
      }
      const Region region(attrs, args.input<float>(1) + r * 4);
      for (int64_t i = 0; i < area; ++i) {
        align_pixel(attrs, x, args.input<float>(0) + n * x.elements(1, 4), region, i / attrs.out_w,
                    i % attrs.out_w, y + i * x[3]);
      }
    }
  });
}

}  // namespace inferd::kernels::ref
