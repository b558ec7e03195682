// SPDX-License-Identifier: Apache-2.0
//
// The same models on inferd and on ONNX Runtime, in one process, alternating: rounds of some
// hundred milliseconds each, the median of each round, and the median over rounds of their ratio.
// ONNX Runtime is called through its C API, so nothing of a language binding is in its times; its
// inputs are bound once, its outputs are made by it on each run.
//
//   side-by-side --onnxruntime libonnxruntime.so.1 [--threads 1] [--rounds 7] MODEL...
//
// Prints a row of a Markdown table per model: their median, ours, the ratio (above 1: ours is
// faster).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>

#include "inferd/engine/engine.h"
#include "tests/bench/onnxruntime.h"
#include "tests/bench/rounds.h"

namespace inferd::bench {
namespace {

struct Inputs {
  std::vector<std::string> names;
  std::vector<std::vector<std::byte>> data;
  std::vector<TensorView> views;
};

Inputs make_inputs(const Model& model) {
  Inputs inputs;
  std::mt19937 random(1);
  for (const TensorInfo& info : model.inputs()) {
    Shape shape = info.shape;
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] < 0) shape[i] = 1;
    }
    std::vector<std::byte> data(static_cast<size_t>(shape.elements()) * dtype_size(info.dtype));
    if (info.dtype == DType::kFloat32) {
      std::normal_distribution<float> normal;
      for (size_t i = 0; i < data.size(); i += sizeof(float)) {
        const float value = normal(random);
        std::memcpy(&data[i], &value, sizeof(value));
      }
    } else {
      for (std::byte& byte : data) byte = static_cast<std::byte>(random() & 0xff);
    }
    inputs.names.push_back(info.name);
    inputs.data.push_back(std::move(data));
    inputs.views.push_back({info.dtype, shape, inputs.data.back()});
  }
  return inputs;
}

struct Options {
  std::string library;
  int threads = 1;
  int rounds = 7;
  std::vector<std::string> models;
};

Status compare_model(const Options& o, OnnxRuntime& peer, const std::string& path,
                     double* log_sum) {
  EngineOptions options;
  options.threads = o.threads;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(options));
  INFERD_ASSIGN_OR_RETURN(const auto model, engine->load(path));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  const Inputs inputs = make_inputs(*model);
  std::vector<std::string> outputs;
  for (const TensorInfo& info : model->outputs()) outputs.push_back(info.name);
  INFERD_ASSIGN_OR_RETURN(const auto session,
                          peer.load(path, o.threads, inputs.names, inputs.views, outputs));
  Status status;
  const auto ours = [&] {
    if (status.ok()) status = context->run(inputs.views).status();
  };
  const auto theirs = [&] {
    if (status.ok()) status = session->run();
  };
  for (int i = 0; i < 3; ++i) {
    ours();
    theirs();
  }
  const Comparison c = bench::compare(theirs, ours, o.rounds, /*seconds=*/0.1);
  INFERD_RETURN_IF_ERROR(status);
  *log_sum += std::log(c.ratio);
  std::printf("| %-28s | %d | %8.3f | %8.3f | %5.2f |\n",
              std::filesystem::path(path).stem().c_str(), o.threads, c.theirs_ms, c.ours_ms,
              c.ratio);
  std::fflush(stdout);
  return ok_status();
}

int usage() {
  std::fprintf(stderr,
               "usage: side-by-side --onnxruntime LIBRARY [--threads N] [--rounds N] MODEL...\n");
  return 2;
}

int run(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (!arg.starts_with("--")) {
      o.models.push_back(arg);
    } else if (i + 1 == argc) {
      return usage();
    } else if (arg == "--onnxruntime") {
      o.library = argv[++i];
    } else if (arg == "--threads") {
      o.threads = std::atoi(argv[++i]);
    } else if (arg == "--rounds") {
      o.rounds = std::max(std::atoi(argv[++i]), 1);
    } else {
      return usage();
    }
  }
  if (o.library.empty() || o.models.empty()) return usage();
  Result<std::unique_ptr<OnnxRuntime>> peer = OnnxRuntime::open(o.library);
  if (!peer.ok()) {
    std::fprintf(stderr, "side-by-side: %s\n", peer.status().to_string().c_str());
    return 1;
  }
  std::printf("| model | threads | ONNX Runtime %s, ms | inferd, ms | ratio |\n",
              (*peer)->version().c_str());
  std::printf("| --- | --- | --- | --- | --- |\n");
  double log_sum = 0;
  int measured = 0;
  for (const std::string& model : o.models) {
    const Status status = compare_model(o, **peer, model, &log_sum);
    if (status.ok()) {
      ++measured;
    } else {
      std::fprintf(stderr, "%s: %s\n", model.c_str(), status.to_string().c_str());
    }
  }
  if (measured > 1) {
    std::printf("| geometric mean | %d | | | %.2f |\n", o.threads, std::exp(log_sum / measured));
  }
  return measured == static_cast<int>(o.models.size()) ? 0 : 1;
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) { return inferd::bench::run(argc, argv); }
