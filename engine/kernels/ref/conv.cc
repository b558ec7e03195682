// SPDX-License-Identifier: Apache-2.0
//
// Convolutions as their definition says: for every output element, every tap that lies on the
// input.
#include "engine/kernels/ref/rows.h"
#include "engine/kernels/ref/weighted.h"

namespace inferd::kernels::ref {
namespace {

// One output element's channel: where it is and how it sums its taps.
struct Geometry {
  int64_t in_h, in_w, in_c, out_h, out_w, out_c;
  Window2d window;

  explicit Geometry(const OpDesc& op)
      : in_h(op.inputs[0].shape[1]),
        in_w(op.inputs[0].shape[2]),
        in_c(op.inputs[0].shape[3]),
        out_h(op.outputs[0].shape[1]),
        out_w(op.outputs[0].shape[2]),
        out_c(op.outputs[0].shape[3]),
        window(op.attrs_as<Conv2dAttrs>().window) {}

  // Calls f(tap, offset of the input pixel's channel 0) for the taps of (n, oh, ow) inside the
  // input.
  template <typename F>
  void for_taps(int64_t n, int64_t oh, int64_t ow, F f) const {
    for (int kh = 0; kh < window.kernel_h; ++kh) {
      const int64_t h = oh * window.stride_h - window.pad_top + int64_t{kh} * window.dilation_h;
      if (h < 0 || h >= in_h) continue;
      for (int kw = 0; kw < window.kernel_w; ++kw) {
        const int64_t w = ow * window.stride_w - window.pad_left + int64_t{kw} * window.dilation_w;
        if (w < 0 || w >= in_w) continue;
        f(int64_t{kh} * window.kernel_w + kw, ((n * in_h + h) * in_w + w) * in_c);
      }
    }
  }
};

// Sums products for one output channel. Acc: see with_weighted_types().
template <typename Acc, typename X, typename W>
struct DenseTaps {
  const X* x;
  const W* w;
  int64_t channels;  // per group
  Acc x_zero, w_zero;

  Acc sum(const Geometry& g, int64_t n, int64_t oh, int64_t ow, int64_t o, int64_t group) const {
    const int64_t taps = int64_t{g.window.kernel_h} * g.window.kernel_w;
    Acc acc = 0;
    g.for_taps(n, oh, ow, [&](int64_t tap, int64_t pixel) {
      const X* in = x + pixel + group * channels;
      const W* weights = w + (o * taps + tap) * channels;
      for (int64_t i = 0; i < channels; ++i) {
        acc += (static_cast<Acc>(in[i]) - x_zero) * (static_cast<Acc>(weights[i]) - w_zero);
      }
    });
    return acc;
  }
};

template <typename Acc, typename X, typename W>
struct DepthwiseTaps {
  const X* x;
  const W* w;
  int64_t multiplier;
  Acc x_zero, w_zero;

  Acc sum(const Geometry& g, int64_t n, int64_t oh, int64_t ow, int64_t o, int64_t) const {
    Acc acc = 0;
    g.for_taps(n, oh, ow, [&](int64_t tap, int64_t pixel) {
      acc += (static_cast<Acc>(x[pixel + o / multiplier]) - x_zero) *
             (static_cast<Acc>(w[tap * g.out_c + o]) - w_zero);
    });
    return acc;
  }
};

// The loop over output elements; `make_taps(channel)` gives what sums for that channel.
template <typename MakeTaps, typename Store>
void for_outputs(const RunArgs& args, const Geometry& g, int64_t channels_per_group,
                 MakeTaps make_taps, Store store) {
  const int64_t rows = args.op.outputs[0].shape[0] * g.out_h;
  args.parallel_for(rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t ow = 0; ow < g.out_w; ++ow) {
        for (int64_t o = 0; o < g.out_c; ++o) {
          const auto acc =
              make_taps(o).sum(g, row / g.out_h, row % g.out_h, ow, o, o / channels_per_group);
          store((row * g.out_w + ow) * g.out_c + o, static_cast<size_t>(o), acc);
        }
      }
    }
  });
}

template <template <typename, typename, typename> class Taps>
void run_any(const RunArgs& args, int64_t depth, int64_t channels_per_group) {
  const OpDesc& op = args.op;
  const Finish finish(args, op.attrs_as<Conv2dAttrs>().activation);
  with_weighted_types(op, [&]<typename Acc, typename X, typename W>() {
    for_outputs(
        args, Geometry(op), channels_per_group,
        [&](int64_t o) {
          return Taps<Acc, X, W>{args.input<X>(0), args.input<W>(1), depth,
                                 zero_of<Acc>(op.inputs[0], 0),
                                 zero_of<Acc>(op.inputs[1], static_cast<size_t>(o))};
        },
        finish);
  });
}

}  // namespace

bool accepts_conv2d(const OpDesc& op) {
  return accepts_weighted(op, 0) || accepts_plain_int32(op, op.attrs_as<Conv2dAttrs>().activation);
}
bool accepts_depthwise_conv2d(const OpDesc& op) { return accepts_weighted(op, 2); }

void run_conv2d(const RunArgs& args) {
  const Shape& w = args.op.inputs[1].shape;
  run_any<DenseTaps>(args, w[3], w[0] / args.op.attrs_as<Conv2dAttrs>().groups);
}

void run_depthwise_conv2d(const RunArgs& args) {
  const int64_t out_c = args.op.outputs[0].shape[3];
  run_any<DepthwiseTaps>(args, out_c / args.op.inputs[0].shape[3], out_c);
}

}  // namespace inferd::kernels::ref
