// SPDX-License-Identifier: Apache-2.0
//
// Images and the windows that slide over them, in one, two or three dimensions. The engine's image
// operators have two, so lines of pixels become images of height 1, and the depth of volumes is
// folded away (import/volume.h). Private to import/onnx.
#pragma once

#include <span>
#include <vector>

#include "engine/import/onnx/lower.h"
#include "engine/import/volume.h"

namespace inferd::import::onnx_lower {

// One entry for each spatial dimension.
struct Windows {
  std::vector<int64_t> kernel, stride, dilation, before, after;

  size_t dims() const { return kernel.size(); }
  int64_t span(size_t d) const { return dilation[d] * (kernel[d] - 1) + 1; }
  // The last two dimensions; of a line the height is 1.
  Window2d image() const;
};

// `count` integers, each `fallback` when the attribute is absent.
Result<std::vector<int64_t>> window_ints(const ForeignNode& node, const char* name, size_t count,
                                         int64_t fallback, int64_t low);

// Attributes of convolutions and pools over spatial dimensions of these sizes, auto_pad resolved.
Result<Windows> windows_of(const ForeignNode& node, std::span<const int64_t> spatial,
                           std::vector<int64_t> kernel);

// The spatial dimensions of `x`, [N,C,spatial...]. UNIMPLEMENTED when there are none or more than
// three.
Result<std::vector<int64_t>> spatial_of(const Lowering& l, ValueId x);

// [N,C,L] as [N,1,L,C], [N,C,H,W] as [N,H,W,C], [N,C,D,H,W] as [N,D,H,W,C].
Result<ValueId> to_nhwc(Lowering& l, ValueId x, const ForeignNode& node);
// Back, with as many spatial dimensions.
Result<ValueId> to_nchw(Lowering& l, ValueId y, size_t dims, const ForeignNode& node,
                        const std::string& name = "");

}  // namespace inferd::import::onnx_lower
