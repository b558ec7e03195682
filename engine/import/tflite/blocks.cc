// SPDX-License-Identifier: Apache-2.0
//
// Operators that take tensors apart into blocks, put them together, repeat or fill them.
#include <algorithm>
#include <array>

#include "engine/base/checked.h"
#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

using Dims = std::vector<int64_t>;

constexpr int64_t kMaxBlock = 1 << 16;

// Splits x into `parts`, transposes these and joins them.
Result<ValueId> rearrange(Lowering& l, const ForeignNode& node, ValueId x, Dims parts,
                          std::vector<int> order, Dims dims, const OutputSpec& out) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId split, b.reshape(x, std::move(parts), node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId moved, b.transpose(split, std::move(order), node.name));
  return b.op(OpKind::kReshape, {moved}, ReshapeAttrs{std::move(dims), false}, node.name, out);
}

// The shape of x, all but dimension 0 being known.
Result<Shape> shape_of(const Lowering& l, ValueId x) {
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape s = l.info(x).shape;
  if (s.rank() == 0 || !Shape(s.dims().subspan(1)).is_static()) {
    return failed_precondition("rearranges a tensor of unknown size");
  }
  return s;
}

Status unfit(const Shape& s) { return invalid_argument("blocks do not fit " + s.to_string()); }

Result<Shape> blocked_image(const Lowering& l, const ForeignNode& node, ValueId x, int64_t* block) {
  INFERD_ASSIGN_OR_RETURN(const Shape s, shape_of(l, x));
  *block = Lowering::int_attr(node, "block_size", 0);
  if (s.rank() != 4 || *block < 1 || *block > kMaxBlock) return unfit(s);
  return s;
}

Status depth_to_space(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  int64_t block = 0;
  INFERD_ASSIGN_OR_RETURN(const Shape s, blocked_image(l, node, x, &block));
  const int64_t depth = s[3] / (block * block);
  if (depth * block * block != s[3]) return unfit(s);
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y,
      rearrange(l, node, x, {0, s[1], s[2], block, block, depth}, {0, 1, 3, 2, 4, 5},
                {0, s[1] * block, s[2] * block, depth}, spec(l, node)));
  return l.set_output(node, 0, y);
}

Status space_to_depth(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  int64_t block = 0;
  INFERD_ASSIGN_OR_RETURN(const Shape s, blocked_image(l, node, x, &block));
  const int64_t height = s[1] / block;
  const int64_t width = s[2] / block;
  if (height * block != s[1] || width * block != s[2]) return unfit(s);
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y,
      rearrange(l, node, x, {0, height, block, width, block, s[3]}, {0, 1, 3, 2, 4, 5},
                {0, height, width, s[3] * block * block}, spec(l, node)));
  return l.set_output(node, 0, y);
}

// Sizes of blocks and amounts at both ends, by spatial dimension: inputs 1 and 2.
struct Blocks {
  Dims sizes;
  Dims ends;  // before and after the first dimension, the second, ...
  int64_t count = 1;
};

Result<Blocks> blocks_of(Lowering& l, const ForeignNode& node, const Shape& x) {
  Blocks blocks;
  INFERD_ASSIGN_OR_RETURN(blocks.sizes, l.ints(node, 1));
  INFERD_ASSIGN_OR_RETURN(blocks.ends, l.ints(node, 2));
  const size_t spatial = blocks.sizes.size();
  if (blocks.ends.size() != 2 * spatial || spatial + 1 > static_cast<size_t>(x.rank())) {
    return unfit(x);
  }
  if (spatial + static_cast<size_t>(x.rank()) > static_cast<size_t>(kMaxRank)) {
    return unimplemented("blocks in more than 8 dimensions");
  }
  for (int64_t size : blocks.sizes) {
    if (size < 1 || size > kMaxBlock || !checked_mul(blocks.count, size, &blocks.count)) {
      return unfit(x);
    }
  }
  for (int64_t end : blocks.ends) {
    if (end < 0 || end > kMaxBlock) return unfit(x);
  }
  return blocks;
}

Status space_to_batch_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const Shape s, shape_of(l, x));
  INFERD_ASSIGN_OR_RETURN(const Blocks blocks, blocks_of(l, node, s));
  const int spatial = static_cast<int>(blocks.sizes.size());
  PadAttrs pad;
  pad.before.resize(static_cast<size_t>(s.rank()));
  pad.after = pad.before;
  int64_t batch = kDynamicDim;
  if (s[0] != kDynamicDim && !checked_mul(s[0], blocks.count, &batch)) return unfit(s);
  Dims parts = {0};
  Dims dims = {batch};
  std::vector<int> order;
  for (int d = 0; d < spatial; ++d) {
    const auto i = static_cast<size_t>(d);
    pad.before[i + 1] = blocks.ends[2 * i];
    pad.after[i + 1] = blocks.ends[2 * i + 1];
    const int64_t padded = s[d + 1] + blocks.ends[2 * i] + blocks.ends[2 * i + 1];
    if (padded % blocks.sizes[i] != 0) return unfit(s);
    parts.insert(parts.end(), {padded / blocks.sizes[i], blocks.sizes[i]});
    dims.push_back(padded / blocks.sizes[i]);
    order.push_back(2 * d + 2);
  }
  order.push_back(0);
  for (int d = 0; d < spatial; ++d) order.push_back(2 * d + 1);
  for (int d = spatial + 1; d < s.rank(); ++d) {
    parts.push_back(s[d]);
    dims.push_back(s[d]);
    order.push_back(d + spatial);
  }
  INFERD_ASSIGN_OR_RETURN(x, l.builder().op(OpKind::kPad, {x}, pad, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId y,
                          rearrange(l, node, x, parts, order, dims, spec(l, node)));
  return l.set_output(node, 0, y);
}

Status batch_to_space_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const Shape s, shape_of(l, x));
  INFERD_ASSIGN_OR_RETURN(const Blocks blocks, blocks_of(l, node, s));
  const int spatial = static_cast<int>(blocks.sizes.size());
  if (s[0] != kDynamicDim && s[0] % blocks.count != 0) return unfit(s);
  const int64_t batch = s[0] == kDynamicDim ? kDynamicDim : s[0] / blocks.count;
  Dims parts = blocks.sizes;
  parts.push_back(batch);
  Dims dims = {batch};
  std::vector<int> order = {spatial};
  SliceAttrs crop = whole_slice(s.rank());
  for (int d = 0; d < spatial; ++d) {
    const auto i = static_cast<size_t>(d);
    int64_t joined = 0;
    if (!checked_mul(s[d + 1], blocks.sizes[i], &joined)) return unfit(s);
    parts.push_back(s[d + 1]);
    dims.push_back(joined);
    order.insert(order.end(), {spatial + 1 + d, d});
    crop.begin[i + 1] = blocks.ends[2 * i];
    crop.end[i + 1] = joined - blocks.ends[2 * i + 1];
    if (crop.end[i + 1] < crop.begin[i + 1]) return unfit(s);
  }
  for (int d = spatial + 1; d < s.rank(); ++d) {
    parts.push_back(s[d]);
    dims.push_back(s[d]);
    order.push_back(d + spatial);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId y, rearrange(l, node, x, parts, order, dims, {}));
  return emit(l, node, OpKind::kSlice, std::array{y}, crop);
}

// Two shapes, the shorter with ones in front, to that which they broadcast to.
Status broadcast_args(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  std::array<ValueId, 2> shapes{};
  int64_t longest = 0;
  for (size_t i = 0; i < 2; ++i) {
    INFERD_ASSIGN_OR_RETURN(shapes[i], l.input(node, i));
    INFERD_RETURN_IF_ERROR(l.known_rank(shapes[i]));
    const Shape& s = l.info(shapes[i]).shape;
    if (s.rank() != 1 || s[0] < 0 || s[0] > kMaxRank) {
      return failed_precondition("shapes of unknown length");
    }
    longest = std::max(longest, s[0]);
  }
  for (ValueId& id : shapes) {
    const PadAttrs ones{{longest - l.info(id).shape[0]}, {0}, 1.F, PadMode::kConstant};
    INFERD_ASSIGN_OR_RETURN(id, b.op(OpKind::kPad, {id}, ones, node.name));
  }
  const auto binary = [&](BinaryKind kind, ValueId x, ValueId y) {
    return b.op(OpKind::kBinary, {x, y}, BinaryAttrs{kind, {}}, node.name);
  };
  // The larger one, but 0 where one of them is 0.
  const std::array<int32_t, 1> one = {1};
  ValueId limit = b.constant_int32s("", {1}, one);
  if (l.info(shapes[0]).dtype != DType::kInt32) {
    INFERD_ASSIGN_OR_RETURN(limit, b.op(OpKind::kCast, {limit}, {}, node.name,
                                        OutputSpec::typed("", l.info(shapes[0]).dtype)));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId most, binary(BinaryKind::kMax, shapes[0], shapes[1]));
  INFERD_ASSIGN_OR_RETURN(ValueId least, binary(BinaryKind::kMin, shapes[0], shapes[1]));
  INFERD_ASSIGN_OR_RETURN(least, binary(BinaryKind::kMin, least, limit));
  return emit(l, node, OpKind::kBinary, std::array{most, least}, BinaryAttrs{BinaryKind::kMul, {}});
}

Status fill(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId dims, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId value, l.input(node, 1));
  return emit(l, node, OpKind::kExpand, std::array{value, dims}, {});
}

Status rank(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const std::array<int32_t, 1> rank = {l.info(x).shape.rank()};
  return l.set_output(node, 0, l.builder().constant_int32s(spec(l, node).name, Shape{}, rank));
}

Status reverse(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto axes, l.ints(node, 1));
  const Shape& s = l.info(x).shape;
  SliceAttrs attrs = whole_slice(s.rank());
  for (int64_t axis : axes) {
    INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis, x));
    if (s[a] == kDynamicDim) return failed_precondition("reverses a dimension of unknown size");
    attrs.begin[static_cast<size_t>(a)] = s[a] - 1;
    attrs.step[static_cast<size_t>(a)] = -1;
  }
  return emit(l, node, OpKind::kSlice, std::array{x}, attrs);
}

Status tile(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId repeats, l.input(node, 1));
  return emit(l, node, OpKind::kTile, std::array{x, repeats}, {});
}

const Row kRows[] = {
    {"", "BATCH_TO_SPACE_ND", batch_to_space_nd},
    {"", "BROADCAST_ARGS", broadcast_args},
    {"", "DEPTH_TO_SPACE", depth_to_space},
    {"", "FILL", fill},
    {"", "RANK", rank},
    {"", "REVERSE_V2", reverse},
    {"", "SPACE_TO_BATCH_ND", space_to_batch_nd},
    {"", "SPACE_TO_DEPTH", space_to_depth},
    {"", "TILE", tile},
};

}  // namespace

std::span<const Row> block_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
