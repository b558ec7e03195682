// SPDX-License-Identifier: Apache-2.0
//
// Operators that take images apart into blocks, put them together or repeat them.
#include <algorithm>
#include <array>
#include <numeric>

#include "engine/base/checked.h"
#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMaxBlock = 1024;

// Rearranges [N,C,H,W]: split into `parts`, transposed, and made one image again.
Status rearrange(Lowering& l, const ForeignNode& node, ValueId x, std::vector<int64_t> parts,
                 std::vector<int> order, std::vector<int64_t> dims) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId split, b.reshape(x, std::move(parts), node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId moved, b.transpose(split, std::move(order), node.name));
  return emit(l, node, OpKind::kReshape, std::array{moved}, ReshapeAttrs{std::move(dims), false});
}

// [N,C,H,W] whose sizes are known but for the batch, and the block.
Result<Shape> blocked_image(Lowering& l, const ForeignNode& node, ValueId x, int64_t* block) {
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape s = l.info(x).shape;
  *block = Lowering::int_attr(node, "blocksize", 0);
  if (s.rank() != 4) return invalid_argument(s.to_string() + " is no image [N,C,H,W]");
  if (!Shape(s.dims().subspan(1)).is_static()) {
    return failed_precondition("rearranges an image of unknown size");
  }
  if (*block < 1 || *block > kMaxBlock) {
    return invalid_argument("block size " + std::to_string(*block) + " does not fit " +
                            s.to_string());
  }
  return s;
}

// Along one dimension: where of the source CenterCropPad begins, and what it puts around that.
struct Fit {
  int64_t begin = 0, end = 0, before = 0, after = 0;
};
Fit fit(int64_t size, int64_t wanted) {
  if (wanted <= size) {
    const int64_t begin = (size - wanted) / 2;
    return {begin, begin + wanted, 0, 0};
  }
  const int64_t before = (wanted - size) / 2;
  return {0, size, before, wanted - size - before};
}

// One spatial dimension of Col2Im.
struct Columns {
  int64_t image, block, dilation, before, after, stride;

  int64_t steps() const {
    const int64_t span = image + before + after - dilation * (block - 1) - 1;
    return span < 0 ? 0 : span / stride + 1;
  }
};

int64_t at(const std::vector<int64_t>& values, size_t i, int64_t fallback) {
  return i < values.size() ? values[i] : fallback;
}

Result<std::vector<Columns>> columns_of(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto image, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto block, l.ints(node, 2));
  if (image.empty() || block.size() != image.size()) {
    return invalid_argument("image_shape and block_shape differ in number");
  }
  const auto dilations = Lowering::ints_attr(node, "dilations");
  const auto pads = Lowering::ints_attr(node, "pads");
  const auto strides = Lowering::ints_attr(node, "strides");
  std::vector<Columns> columns;
  for (size_t d = 0; d < image.size(); ++d) {
    const Columns c{image[d],
                    block[d],
                    at(dilations, d, 1),
                    at(pads, d, 0),
                    at(pads, d + image.size(), 0),
                    at(strides, d, 1)};
    constexpr int64_t kMost = 1 << 20;
    const auto outside = [](int64_t v, int64_t low) { return v < low || v > kMost; };
    if (outside(c.image, 1) || outside(c.block, 1) || outside(c.dilation, 1) ||
        outside(c.before, 0) || outside(c.after, 0) || outside(c.stride, 1)) {
      return invalid_argument("sizes of dimension " + std::to_string(d) + " are out of range");
    }
    columns.push_back(c);
  }
  return columns;
}

// For each element of a block and each place of the block: which pixel that is, or the number of
// pixels for padding, which is beyond them.
std::vector<int64_t> pixels_of(const std::vector<Columns>& columns, int64_t total) {
  const int64_t pixels = std::accumulate(columns.begin(), columns.end(), int64_t{1},
                                         [](int64_t n, const Columns& c) { return n * c.image; });
  std::vector<int64_t> where(static_cast<size_t>(total));
  for (int64_t i = 0; i < total; ++i) {
    int64_t rest = i;
    std::array<int64_t, kMaxRank> step{};
    for (size_t d = columns.size(); d-- > 0; rest /= columns[d].steps()) {
      step[d] = rest % columns[d].steps();
    }
    int64_t pixel = 0;
    int64_t unit = 1;
    for (size_t d = columns.size(); d-- > 0; rest /= columns[d].block) {
      const Columns& c = columns[d];
      const int64_t place = step[d] * c.stride + rest % c.block * c.dilation - c.before;
      pixel = place < 0 || place >= c.image || pixel == pixels ? pixels : pixel + place * unit;
      unit *= c.image;
    }
    where[static_cast<size_t>(i)] = pixel;
  }
  return where;
}

}  // namespace

Status center_crop_pad(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  const Shape s = l.info(x).shape;
  std::vector<int64_t> axes = Lowering::ints_attr(node, "axes");
  if (axes.empty()) {
    axes.resize(static_cast<size_t>(s.rank()));
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (axes.size() != wanted.size()) return invalid_argument("shape and axes differ in number");
  SliceAttrs crop = whole_slice(s.rank());
  PadAttrs pad;
  pad.before.resize(static_cast<size_t>(s.rank()));
  pad.after = pad.before;
  for (size_t i = 0; i < axes.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(axes[i], s.rank()));
    if (s[axis] == kDynamicDim) return failed_precondition("crops a dimension of unknown size");
    if (wanted[i] < 0) return invalid_argument("a size is negative");
    const Fit f = fit(s[axis], wanted[i]);
    const auto d = static_cast<size_t>(axis);
    crop.begin[d] = f.begin;
    crop.end[d] = f.end;
    pad.before[d] = f.before;
    pad.after[d] = f.after;
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId cropped,
                          l.builder().op(OpKind::kSlice, {x}, crop, node.name));
  return emit(l, node, OpKind::kPad, std::array{cropped}, pad);
}

Status col2im(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto columns, columns_of(l, node));
  const Shape s = l.info(x).shape;
  if (s.rank() != 3) return invalid_argument(s.to_string() + " is not [N,C*block,columns]");
  if (!s.is_static()) return failed_precondition("puts together an image of unknown size");
  std::vector<int64_t> dims;
  int64_t block = 1;
  int64_t steps = 1;
  int64_t pixels = 1;
  int64_t images = 0;
  int64_t total = 0;  // elements of all blocks of one channel
  bool fits = columns.size() + 2 <= static_cast<size_t>(kMaxRank);
  for (const Columns& c : columns) {
    fits = fits && checked_mul(block, c.block, &block) && checked_mul(steps, c.steps(), &steps) &&
           checked_mul(pixels, c.image, &pixels);
    dims.push_back(c.image);
  }
  fits = fits && s[1] % block == 0 && s[2] == steps && checked_mul(block, steps, &total) &&
         checked_mul(s[0], s[1] / block, &images);
  if (!fits) return invalid_argument("blocks do not fit " + s.to_string());
  constexpr int64_t kMostElements = 1 << 26;
  if (total > kMostElements) return unimplemented("more than 2^26 elements for a channel");
  dims.insert(dims.begin(), {s[0], s[1] / block});
  // Each row of [block * columns, N * C] is added to that of its pixel.
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(ValueId rows, b.reshape(x, {images, total}, node.name));
  INFERD_ASSIGN_OR_RETURN(rows, b.transpose(rows, {1, 0}, node.name));
  const ValueId where = b.constant_int64s("", pixels_of(columns, total));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, b.reshape(where, {total, 1}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId zeros,
                          zeros_of(l, node, l.info(x).dtype, {pixels, images}));
  INFERD_ASSIGN_OR_RETURN(ValueId image, b.op(OpKind::kScatterNd, {zeros, indices, rows},
                                              ScatterAttrs{ScatterReduction::kAdd, 0}, node.name));
  INFERD_ASSIGN_OR_RETURN(image, b.transpose(image, {1, 0}, node.name));
  return emit(l, node, OpKind::kReshape, std::array{image}, ReshapeAttrs{std::move(dims), true});
}

Status depth_to_space(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  int64_t block = 0;
  INFERD_ASSIGN_OR_RETURN(const Shape s, blocked_image(l, node, x, &block));
  if (s[1] % (block * block) != 0) {
    return invalid_argument("block size " + std::to_string(block) + " does not fit " +
                            s.to_string());
  }
  const int64_t depth = s[1] / (block * block);
  const std::vector<int64_t> dims = {0, depth, s[2] * block, s[3] * block};
  if (Lowering::text_attr(node, "mode", "DCR") == "CRD") {
    return rearrange(l, node, x, {0, depth, block, block, s[2], s[3]}, {0, 1, 4, 2, 5, 3}, dims);
  }
  return rearrange(l, node, x, {0, block, block, depth, s[2], s[3]}, {0, 3, 4, 1, 5, 2}, dims);
}

Status space_to_depth(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  int64_t block = 0;
  INFERD_ASSIGN_OR_RETURN(const Shape s, blocked_image(l, node, x, &block));
  const int64_t height = s[2] / block;
  const int64_t width = s[3] / block;
  if (height * block != s[2] || width * block != s[3]) {
    return invalid_argument("block size " + std::to_string(block) + " does not fit " +
                            s.to_string());
  }
  return rearrange(l, node, x, {0, s[1], height, block, width, block}, {0, 3, 5, 1, 2, 4},
                   {0, s[1] * block * block, height, width});
}

Status tile(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId repeats, l.input(node, 1));
  return emit(l, node, OpKind::kTile, std::array{x, repeats}, {});
}

}  // namespace inferd::import::onnx_lower
