// SPDX-License-Identifier: Apache-2.0
#include "engine/import/onnx/window.h"

#include <algorithm>

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMaxWindow = 1 << 20;
constexpr int64_t kMaxSide = int64_t{1} << 40;  // times a stride it is far from overflow

}  // namespace

Window2d Windows::image() const {
  const auto at = [](const std::vector<int64_t>& values, size_t d) {
    return static_cast<int>(values[d]);
  };
  const size_t w = dims() - 1;
  Window2d window{.kernel_w = at(kernel, w),
                  .stride_w = at(stride, w),
                  .dilation_w = at(dilation, w),
                  .pad_left = at(before, w),
                  .pad_right = at(after, w)};
  if (dims() == 1) return window;
  const size_t h = w - 1;
  window.kernel_h = at(kernel, h);
  window.stride_h = at(stride, h);
  window.dilation_h = at(dilation, h);
  window.pad_top = at(before, h);
  window.pad_bottom = at(after, h);
  return window;
}

Result<std::vector<int64_t>> window_ints(const ForeignNode& node, const char* name, size_t count,
                                         int64_t fallback, int64_t low) {
  std::vector<int64_t> values = Lowering::ints_attr(node, name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count) {
    return invalid_argument(std::string(name) + " has " + std::to_string(values.size()) +
                            " entries, not " + std::to_string(count));
  }
  for (int64_t value : values) {
    if (value < low || value > kMaxWindow) {
      return invalid_argument(std::string(name) + " " + std::to_string(value) + " is out of range");
    }
  }
  return values;
}

Result<Windows> windows_of(const ForeignNode& node, std::span<const int64_t> spatial,
                           std::vector<int64_t> kernel) {
  const size_t dims = spatial.size();
  Windows w;
  w.kernel = std::move(kernel);
  if (w.dims() != dims) {
    return invalid_argument("the kernel has " + std::to_string(w.dims()) +
                            " dimensions, the image " + std::to_string(dims));
  }
  for (int64_t size : w.kernel) {
    if (size < 1 || size > kMaxWindow) return invalid_argument("kernel size is out of range");
  }
  INFERD_ASSIGN_OR_RETURN(w.stride, window_ints(node, "strides", dims, 1, 1));
  INFERD_ASSIGN_OR_RETURN(w.dilation, window_ints(node, "dilations", dims, 1, 1));
  INFERD_ASSIGN_OR_RETURN(const auto pads, window_ints(node, "pads", 2 * dims, 0, 0));
  w.before.assign(dims, 0);
  w.after.assign(dims, 0);
  const std::string auto_pad = Lowering::text_attr(node, "auto_pad", "NOTSET");
  if (auto_pad == "VALID") return w;
  for (size_t d = 0; d < dims; ++d) {
    w.before[d] = pads[d];
    w.after[d] = pads[dims + d];
    if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER") continue;
    int before = 0;
    int after = 0;
    INFERD_RETURN_IF_ERROR(
        same_padding(spatial[d], static_cast<int>(w.kernel[d]), static_cast<int>(w.stride[d]),
                     static_cast<int>(w.dilation[d]), auto_pad == "SAME_LOWER", &before, &after));
    w.before[d] = before;
    w.after[d] = after;
  }
  return w;
}

Result<std::vector<int64_t>> spatial_of(const Lowering& l, ValueId x) {
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  if (shape.rank() < 3 || shape.rank() > 5) {
    return unimplemented("input " + shape.to_string() +
                         " has not one, two or three dimensions beside batch and channels");
  }
  std::vector<int64_t> sizes(shape.begin() + 2, shape.end());
  for (int64_t size : sizes) {
    if (size > kMaxSide) return invalid_argument("the image is too large");
  }
  return sizes;
}

Result<ValueId> to_nhwc(Lowering& l, ValueId x, const ForeignNode& node) {
  const std::string name = node.name + "/nhwc";
  const Shape shape = l.info(x).shape;
  if (shape.rank() == 4) return l.builder().transpose(x, {0, 2, 3, 1}, name);
  if (shape.rank() == 5) return l.builder().transpose(x, {0, 2, 3, 4, 1}, name);
  if (shape[1] == kDynamicDim) return failed_precondition("an unknown number of channels");
  INFERD_ASSIGN_OR_RETURN(const ValueId line, l.builder().transpose(x, {0, 2, 1}, name));
  return l.builder().reshape(line, {0, 1, -1, shape[1]}, name);
}

Result<ValueId> to_nchw(Lowering& l, ValueId y, size_t dims, const ForeignNode& node,
                        const std::string& name) {
  std::vector<int> perm = {0, 3, 1, 2};
  if (dims == 3) perm = {0, 4, 1, 2, 3};
  if (dims == 1) {
    const int64_t channels = l.info(y).shape.back();
    INFERD_ASSIGN_OR_RETURN(y, l.builder().reshape(y, {0, -1, channels}, node.name + "/line"));
    perm = {0, 2, 1};
  }
  return l.builder().op(OpKind::kTranspose, {y}, TransposeAttrs{perm}, node.name,
                        OutputSpec::named(name));
}

}  // namespace inferd::import::onnx_lower
