// SPDX-License-Identifier: Apache-2.0
//
// Speed of every kernel this CPU runs on layers of MobileNetV2 (224x224) and others, in
// multiply-accumulates per second ("MACs", counter), on one thread or --threads=N.
//
//   kernels-bench --benchmark_filter='avx2'
#include <benchmark/benchmark.h>

#include <charconv>
#include <string>
#include <string_view>

#include "engine/kernels/candidates.h"
#include "tests/bench/layers.h"

namespace inferd::bench {
namespace {

void measure(benchmark::State& state, const kernels::Kernel* kernel, const Layer& layer,
             bool quantized, int threads) {
  const Problem problem(layer, quantized);
  Prepared prepared(problem, *kernel, threads);
  for (auto _ : state) {
    prepared.run();
    benchmark::DoNotOptimize(prepared.output().data());
    benchmark::ClobberMemory();
  }
  state.counters["MACs"] = benchmark::Counter(static_cast<double>(macs(layer)),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) {
  using namespace inferd::bench;
  benchmark::Initialize(&argc, argv);
  int threads = 1;
  constexpr std::string_view kThreads = "--threads=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (!arg.starts_with(kThreads)) continue;
    std::from_chars(arg.data() + kThreads.size(), arg.data() + arg.size(), threads);
  }
  for (const Layer& layer : layers()) {
    for (const bool quantized : {true, false}) {
      for (const inferd::kernels::Kernel* kernel :
           inferd::kernels::accepting(Problem(layer, quantized).op)) {
        const std::string name = std::string(layer.name) + "/" + kernel->name;
        benchmark::RegisterBenchmark(name.c_str(), measure, kernel, layer, quantized, threads);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
