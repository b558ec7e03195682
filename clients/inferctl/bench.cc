// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <latch>
#include <thread>

#include "clients/inferctl/command.h"
#include "clients/inferctl/measure/memory_bandwidth.h"
#include "clients/inferctl/progress.h"
#include "clients/inferctl/report/report.h"
#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

struct Options {
  std::string signature;
  std::string model;
  int threads = 1;
  int streams = 1;
  int64_t batch = 1;
  int iterations = 50, warmup = 5;
  int64_t stripe_bytes = EngineOptions().stripe_bytes;
  bool profile = false;
  bool allow_float16 = false;
  std::string trace;
  std::string html;

  bool profiles() const { return profile || !html.empty(); }
};

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// Inputs of the model at this batch, filled with a fixed pattern.
Result<std::vector<std::vector<std::byte>>> make_inputs(const Model& model, int64_t batch,
                                                        std::vector<TensorView>& views) {
  std::vector<std::vector<std::byte>> buffers;
  for (const TensorInfo& input : model.inputs()) {
    Shape shape = input.shape;
    if (model.info().batchable) {
      shape[0] = batch;
    } else if (batch != 1) {
      return invalid_argument("this model does not allow batches");
    }
    if (!shape.is_static()) {
      return invalid_argument("input '" + input.name + "' " + shape.to_string() +
                              " has dimensions of unknown size");
    }
    std::vector<std::byte> data(static_cast<size_t>(shape.elements()) * dtype_size(input.dtype));
    if (input.dtype == DType::kFloat32) {
      auto* values = reinterpret_cast<float*>(data.data());
      for (size_t i = 0; i < data.size() / 4; ++i)
        values[i] = static_cast<float>(i % 255) / 127.F - 1.F;
    } else if (dtype_size(input.dtype) == 1) {
      for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>((31 * i + 7) % 256);
    }
    buffers.push_back(std::move(data));
    views.push_back({input.dtype, shape, buffers.back()});
  }
  return buffers;
}

// What the machine can do on one thread, in GMAC/s.
struct Peaks {
  double int8 = 0, float32 = 0;

  // Of the peak for the layer's type; 0 where it multiplies nothing.
  double share(const LayerProfile& layer) const {
    const bool is_float = layer.kernel.find("_f32") != std::string::npos;
    const double peak = is_float ? float32 : int8;
    return peak > 0 ? layer.gmacs_per_s / peak : 0;
  }
};

Peaks measure_peaks(const Engine& engine) {
  return {engine.measure_peak_gmacs(DType::kInt8), engine.measure_peak_gmacs(DType::kFloat32)};
}

void print_profile(const std::vector<LayerProfile>& layers, const Peaks& peaks) {
  std::printf("peak of a thread: %.0f GMAC/s int8, %.0f GMAC/s float32\n", peaks.int8,
              peaks.float32);
  std::printf("%9s  %8s  %5s  %6s  %7s  %-34s %s\n", "ms", "GMAC/s", "peak", "GB/s", "stripes",
              "kernel", "layer");
  for (const LayerProfile& layer : layers) {
    std::printf("%9.3f  %8.1f  %4.0f%%  %6.1f  %7s  %-34s %s\n", layer.ms, layer.gmacs_per_s,
                peaks.share(layer) * 100, layer.gbytes_per_s,
                layer.stripes > 0 ? std::to_string(layer.stripes).c_str() : "",
                layer.kernel.c_str(), layer.name.c_str());
    if (layer.declined.empty()) continue;
    std::string names;
    for (const std::string& name : layer.declined) names += (names.empty() ? "" : ", ") + name;
    std::printf("%47s not taken for these types and shapes: %s\n", "", names.c_str());
  }
}

// The layers of one run as events of the Chrome trace format (chrome://tracing, Perfetto).
Status write_trace(const std::string& path, const std::vector<LayerProfile>& layers) {
  nlohmann::json events = nlohmann::json::array();
  for (const LayerProfile& layer : layers) {
    events.push_back({{"name", layer.name},
                      {"cat", layer.op},
                      {"ph", "X"},
                      {"ts", layer.start_ms * 1e3},
                      {"dur", layer.ms * 1e3},
                      {"pid", 1},
                      {"tid", 1},
                      {"args",
                       {{"kernel", layer.kernel},
                        {"gmacs_per_s", layer.gmacs_per_s},
                        {"gbytes_per_s", layer.gbytes_per_s}}}});
  }
  std::ofstream file(path);
  file << nlohmann::json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump(1) << "\n";
  file.close();
  if (!file) return unavailable("cannot write the trace to " + path);
  return ok_status();
}

nlohmann::json histogram_of(const std::vector<double>& times) {
  LatencyHistogram histogram;
  for (const double ms : times) histogram.record(static_cast<int64_t>(ms * 1e6));
  return report::histogram_json(histogram);
}

// One context that runs again and again in a thread of its own.
struct Stream {
  std::unique_ptr<Context> context;
  Status status;
  std::vector<double> times;         // ms, of measured runs
  std::vector<LayerProfile> layers;  // of the fastest run: the least disturbed one

  void run(const Options& o, std::span<const TensorView> inputs, std::latch& warm,
           Progress* progress) {
    for (int i = 0; i < o.warmup + o.iterations; ++i) {
      if (i == o.warmup) warm.arrive_and_wait();  // all measure together
      const auto start = std::chrono::steady_clock::now();
      // After a failure only the others' wait for this one is left.
      if (status.ok()) status = context->run(inputs).status();
      const double ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
              .count();
      if (i >= o.warmup) {
        if (times.empty() || ms < *std::min_element(times.begin(), times.end())) {
          layers.assign(context->profile().begin(), context->profile().end());
        }
        times.push_back(ms);
      }
      if (progress != nullptr) {
        progress->show("runs", static_cast<size_t>(i + 1),
                       static_cast<size_t>(o.warmup + o.iterations));
      }
    }
  }
};

// Runs all streams at once; seconds from the first measured run's begin to the last one's end.
double run_streams(const Options& o, std::span<const TensorView> inputs,
                   std::vector<Stream>& streams) {
  Progress progress;
  std::latch warm(static_cast<std::ptrdiff_t>(streams.size()) + 1);
  std::vector<std::thread> others;
  for (Stream& stream : streams) {
    Progress* const shown = &stream == streams.data() ? &progress : nullptr;
    others.emplace_back(
        [&o, inputs, &warm, &stream, shown] { stream.run(o, inputs, warm, shown); });
  }
  warm.arrive_and_wait();
  const auto start = std::chrono::steady_clock::now();
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Status bench(const Options& o, const Globals& globals) {
  EngineOptions engine_options;
  engine_options.threads = o.threads;
  engine_options.stripe_bytes = o.stripe_bytes;
  engine_options.allow_float16 = o.allow_float16;
  engine_options.log = print_warnings;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  INFERD_ASSIGN_OR_RETURN(
      const auto model,
      engine->load(o.model, {.limits = {}, .states = {}, .signature = o.signature}));
  ContextOptions context_options;
  context_options.profile = o.profiles() || !o.trace.empty();
  std::vector<Stream> streams(static_cast<size_t>(o.streams));
  for (Stream& stream : streams) {
    INFERD_ASSIGN_OR_RETURN(stream.context, model->create_context(context_options));
  }
  std::vector<TensorView> views;
  INFERD_ASSIGN_OR_RETURN(const auto buffers, make_inputs(*model, o.batch, views));

  const double seconds = run_streams(o, views, streams);
  std::vector<double> times;
  for (const Stream& stream : streams) {
    INFERD_RETURN_IF_ERROR(stream.status);
    times.insert(times.end(), stream.times.begin(), stream.times.end());
  }
  const std::vector<LayerProfile>& layers = streams[0].layers;
  const double per_second =
      static_cast<double>(times.size()) * static_cast<double>(o.batch) / seconds;
  std::sort(times.begin(), times.end());
  const auto at = [&](double q) {
    return times[static_cast<size_t>(q * static_cast<double>(times.size() - 1))];
  };
  const MemoryUse memory = streams[0].context->memory();
  nlohmann::json json = {{"model", o.model},
                         {"median_ms", at(0.5)},
                         {"min_ms", times.front()},
                         {"p90_ms", at(0.9)},
                         {"p99_ms", at(0.99)},
                         {"max_ms", times.back()},
                         {"histogram_ms", histogram_of(times)},
                         {"batch", o.batch},
                         {"threads", engine->threads()},
                         {"streams", o.streams},
                         {"inferences_per_s", per_second},
                         {"iterations", o.iterations},
                         {"macs", model->info().macs * o.batch},
                         {"weights_bytes", memory.weights_bytes},
                         {"arena_bytes", memory.arena_bytes},
                         {"arena_lower_bound_bytes", memory.arena_lower_bound},
                         {"scratch_bytes", memory.scratch_bytes},
                         {"peak_rss_bytes", peak_rss_bytes()},
                         {"isa", engine->isa()}};
  if (!o.trace.empty()) INFERD_RETURN_IF_ERROR(write_trace(o.trace, layers));
  const Peaks peaks = o.profiles() ? measure_peaks(*engine) : Peaks();
  if (o.profiles()) {
    json["peak_gmacs_per_s"] = {{"int8", peaks.int8}, {"float32", peaks.float32}};
    json["layers"] = nlohmann::json::array();
    for (const LayerProfile& layer : layers) {
      json["layers"].push_back({{"name", layer.name},
                                {"op", layer.op},
                                {"kernel", layer.kernel},
                                {"isa", layer.isa},
                                {"declined", layer.declined},
                                {"stripes", layer.stripes},
                                {"ms", layer.ms},
                                {"gmacs_per_s", layer.gmacs_per_s},
                                {"peak_share", peaks.share(layer)},
                                {"gbytes_per_s", layer.gbytes_per_s}});
    }
  }
  if (!o.html.empty()) {
    const MemoryBandwidth bandwidth = measure_memory_bandwidth(engine->threads());
    json["memory_bandwidth"] = {{"gbytes_per_s", bandwidth.gbytes_per_s},
                                {"threads", bandwidth.threads},
                                {"bytes", bandwidth.bytes}};
    INFERD_RETURN_IF_ERROR(report::write_report(
        o.html, report::bench_report(json, report::about_this_run(globals.version))));
  }
  if (globals.json) {
    // Names come from the model's file and may be anything.
    std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return ok_status();
  }
  std::printf("median %.3f ms, min %.3f ms, p99 %.3f ms (batch %lld, %d threads, %s)\n", at(0.5),
              times.front(), at(0.99), static_cast<long long>(o.batch), engine->threads(),
              std::string(engine->isa()).c_str());
  std::printf("%s MACs, %.1f GMAC/s; packed weights %sB, arena %sB, peak memory %sB\n",
              human(model->info().macs * o.batch).c_str(),
              static_cast<double>(model->info().macs * o.batch) / at(0.5) * 1e-6,
              human(memory.weights_bytes).c_str(), human(memory.arena_bytes).c_str(),
              human(json["peak_rss_bytes"].get<int64_t>()).c_str());
  if (o.streams > 1) {
    std::printf("%d streams: %.1f inferences/s together\n", o.streams, per_second);
  }
  if (o.profile) print_profile(layers, peaks);
  return ok_status();
}

}  // namespace

void add_bench(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("bench", "how fast a model file runs here");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "model file")->required();
  command->add_option("--signature", o->signature, kSignatureHelp);
  command->add_option("--threads", o->threads, "worker threads, 0: one per core")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command->add_option("--streams", o->streams, "contexts that run at once, each in its own thread")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--batch", o->batch, "batch size")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--iterations", o->iterations, "measured runs")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--warmup", o->warmup, "runs before measuring")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command
      ->add_option("--stripe-bytes", o->stripe_bytes,
                   "memory for image operators that run together; 0: none do, -1: by the cache")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 30))
      ->capture_default_str();
  command->add_flag("--allow-float16", o->allow_float16,
                    "multiply in half precision where the CPU can; less precise");
  command->add_flag("--profile", o->profile,
                    "time, kernel, speed and share of the machine's peak of each layer");
  command->add_option("--trace", o->trace,
                      "write the layers of the fastest run to this file, for chrome://tracing");
  command->add_option("--html", o->html,
                      "write a report with charts to this file; measures as --profile does");
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return bench(*o, globals); }; });
}

}  // namespace inferd::ctl
