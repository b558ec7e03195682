// SPDX-License-Identifier: Apache-2.0
//
// Transposed convolution, asked from the output: every output element sums the taps of the windows
// that lie over it.
#include "engine/kernels/ref/rows.h"
#include "engine/kernels/ref/weighted.h"

namespace inferd::kernels::ref {
namespace {

// Along one dimension: the input position whose tap `k` lies on output position `o`; -1 when there
// is none.
int64_t under(int64_t o, int k, int64_t in, int stride, int dilation, int pad) {
  const int64_t from = o + pad - int64_t{k} * dilation;
  if (from < 0 || from % stride != 0 || from / stride >= in) return -1;
  return from / stride;
}

template <typename Acc, typename X, typename W>
Acc sum_of_taps(const RunArgs& args, int64_t n, int64_t oh, int64_t ow, int64_t o) {
  const auto& attrs = args.op.attrs_as<ConvTranspose2dAttrs>();
  const Window2d& window = attrs.window;
  const Shape& x = args.op.inputs[0].shape;
  const Shape& w = args.op.inputs[1].shape;
  const int64_t depth = w[3];
  const int64_t group = o / (w[0] / attrs.groups);
  const Acc x_zero = zero_of<Acc>(args.op.inputs[0], 0);
  const Acc w_zero = zero_of<Acc>(args.op.inputs[1], static_cast<size_t>(o));
  Acc sum = 0;
  for (int kh = 0; kh < window.kernel_h; ++kh) {
    const int64_t h = under(oh, kh, x[1], window.stride_h, window.dilation_h, window.pad_top);
    if (h < 0) continue;
    for (int kw = 0; kw < window.kernel_w; ++kw) {
      const int64_t column =
          under(ow, kw, x[2], window.stride_w, window.dilation_w, window.pad_left);
      if (column < 0) continue;
      const X* in = args.input<X>(0) + ((n * x[1] + h) * x[2] + column) * x[3] + group * depth;
      const W* weights = args.input<W>(1) + ((o * w[1] + kh) * w[2] + kw) * depth;
      for (int64_t i = 0; i < depth; ++i) {
        sum += (static_cast<Acc>(in[i]) - x_zero) * (static_cast<Acc>(weights[i]) - w_zero);
      }
    }
  }
  return sum;
}

}  // namespace

bool accepts_conv_transpose2d(const OpDesc& op) { return accepts_weighted(op, 0); }

void run_conv_transpose2d(const RunArgs& args) {
  const Shape& y = args.op.outputs[0].shape;
  const Finish finish(args, args.op.attrs_as<ConvTranspose2dAttrs>().activation);
  with_weighted_types(args.op, [&]<typename Acc, typename X, typename W>() {
    args.parallel_for(y[0] * y[1], 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t ow = 0; ow < y[2]; ++ow) {
          for (int64_t o = 0; o < y[3]; ++o) {
            finish((row * y[2] + ow) * y[3] + o, static_cast<size_t>(o),
                   sum_of_taps<Acc, X, W>(args, row / y[1], row % y[1], ow, o));
          }
        }
      }
    });
  });
}

}  // namespace inferd::kernels::ref
