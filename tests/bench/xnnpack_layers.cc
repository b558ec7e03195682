// SPDX-License-Identifier: Apache-2.0
//
// The int8 convolutions of layers.h on XNNPACK (Debian's libxnnpack-dev) and on inferd's fastest
// kernel, one thread, in turn. Both follow one rule of requantization, so their outputs must be
// equal, which is checked first.
//
//   xnnpack-layers [--rounds N]       prints a Markdown table
#include <xnnpack.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "engine/kernels/candidates.h"
#include "tests/bench/layers.h"
#include "tests/bench/rounds.h"

namespace inferd::bench {
namespace {

void must(xnn_status status, const char* what) {
  if (status == xnn_status_success) return;
  std::fprintf(stderr, "xnnpack-layers: %s failed (%d)\n", what, static_cast<int>(status));
  std::exit(1);
}

// The layer as an XNNPACK operator; reads and writes beyond nothing but what it asks for.
class Peer {
 public:
  explicit Peer(const Problem& problem) {
    const kernels::OpDesc& op = problem.op;
    const Window2d& w = op.attrs_as<Conv2dAttrs>().window;
    const Shape& x = op.inputs[0].shape;
    const Shape& y = op.outputs[0].shape;
    const bool depthwise = op.kind == OpKind::kDepthwiseConv2d;
    const auto in_c = static_cast<size_t>(x[3]);
    const auto out_c = static_cast<size_t>(y[3]);
    const Quantization& xq = op.inputs[0].quantization;
    const Quantization& yq = op.outputs[0].quantization;
    input_.resize(problem.data[0].size() + XNN_EXTRA_BYTES);
    std::memcpy(input_.data(), problem.data[0].data(), problem.data[0].size());
    output_.resize(static_cast<size_t>(y.elements()));
    const auto u = [](int value) { return static_cast<uint32_t>(value); };
    must(xnn_create_convolution2d_nhwc_qs8(
             u(w.pad_top), u(w.pad_right), u(w.pad_bottom), u(w.pad_left), u(w.kernel_h),
             u(w.kernel_w), u(w.stride_h), u(w.stride_w), 1, 1,
             depthwise ? static_cast<uint32_t>(in_c) : 1, depthwise ? 1 : in_c,
             depthwise ? 1 : out_c, in_c, out_c, static_cast<int8_t>(xq.zero_point()), xq.scale(),
             op.inputs[1].quantization.scale(), op.inputs[1].constant<int8_t>().data(),
             op.inputs[2].constant<int32_t>().data(), static_cast<int8_t>(yq.zero_point()),
             yq.scale(), -128, 127, depthwise ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0, &operator_),
         "xnn_create_convolution2d_nhwc_qs8");
    must(xnn_setup_convolution2d_nhwc_qs8(operator_, 1, static_cast<size_t>(x[1]),
                                          static_cast<size_t>(x[2]), input_.data(), output_.data(),
                                          nullptr),
         "xnn_setup_convolution2d_nhwc_qs8");
  }
  ~Peer() { xnn_delete_operator(operator_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void run() { must(xnn_run_operator(operator_, nullptr), "xnn_run_operator"); }
  bool equals(std::span<const std::byte> other) const {
    return std::memcmp(output_.data(), other.data(), output_.size()) == 0;
  }

 private:
  xnn_operator_t operator_ = nullptr;
  std::vector<int8_t> input_;
  std::vector<int8_t> output_;
};

int run(int rounds) {
  must(xnn_initialize(nullptr), "xnn_initialize");
  std::printf("| layer | XNNPACK, GMAC/s | inferd, GMAC/s | kernel | ratio |\n");
  std::printf("| --- | --- | --- | --- | --- |\n");
  double log_sum = 0;
  int measured = 0;
  for (const Layer& layer : layers()) {
    if (layer.kind == OpKind::kFullyConnected) continue;
    const Problem problem(layer, /*quantized=*/true);
    const kernels::Kernel* kernel = kernels::choose(problem.op, {});
    Prepared ours(problem, *kernel, 1);
    Peer theirs(problem);
    ours.run();
    theirs.run();
    if (!theirs.equals(ours.output())) {
      std::fprintf(stderr, "%s: the outputs differ\n", layer.name);
      return 1;
    }
    const Comparison c =
        compare([&] { theirs.run(); }, [&] { ours.run(); }, rounds, /*seconds=*/0.05);
    const auto gmacs = static_cast<double>(macs(layer)) * 1e-6;
    std::printf("| %s | %.1f | %.1f | %s | %.2f |\n", layer.name, gmacs / c.theirs_ms,
                gmacs / c.ours_ms, kernel->name, c.ratio);
    log_sum += std::log(c.ratio);
    ++measured;
  }
  std::printf("| geometric mean | | | | %.2f |\n", std::exp(log_sum / measured));
  return 0;
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) {
  const bool rounds = argc == 3 && std::string_view(argv[1]) == "--rounds";
  if (argc != 1 && !rounds) {
    std::fprintf(stderr, "usage: xnnpack-layers [--rounds N]\n");
    return 2;
  }
  return inferd::bench::run(rounds ? std::max(std::atoi(argv[2]), 1) : 7);
}
