// SPDX-License-Identifier: Apache-2.0
//
// What a request costs beyond the model: whole round trips of one client with one request at a time
// against a real daemon, beside Context::run in this process and a gRPC server without one. All
// ways in turn, in rounds; the added time is the median over rounds of the difference of the
// medians.
//
//   serving --inferd PROGRAM [--threads N] [--rounds N] [--seconds S] MODEL...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "clients/c/inferd_local.h"
#include "inferd/client/client.h"
#include "inferd/engine/engine.h"
#include "tests/bench/rounds.h"
#include "tests/bench/serving/bare_grpc.h"
#include "tests/bench/serving/daemon.h"

namespace inferd::bench {
namespace {

struct Options {
  std::string inferd;
  std::vector<std::string> models;
  int threads = 0, rounds = 7;
  double seconds = 0.5;
};

[[noreturn]] void die(const std::string& message) {
  std::cerr << "serving: " << message << "\n";
  std::exit(1);
}
void check(const Status& status) {
  if (!status.ok()) die(status.to_string());
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (!word.starts_with("--")) {
      options.models.push_back(word);
      continue;
    }
    if (++i == count) die(word + " needs a value");
    if (word == "--inferd")
      options.inferd = words[i];
    else if (word == "--threads")
      options.threads = std::atoi(words[i]);
    else if (word == "--rounds")
      options.rounds = std::atoi(words[i]);
    else if (word == "--seconds")
      options.seconds = std::atof(words[i]);
    else
      die("unknown option '" + word + "'");
  }
  if (options.inferd.empty() || options.models.empty() || options.rounds < 1)
    die("usage: serving --inferd PROGRAM [--threads N] [--rounds N] [--seconds S] MODEL...");
  return options;
}

// A model's inputs, random.
struct Inputs {
  explicit Inputs(const Model& model) {
    std::mt19937 random(1);
    for (const TensorInfo& info : model.inputs()) {
      Shape shape = info.shape;
      for (int d = 0; d < shape.rank(); ++d) shape[d] = std::max<int64_t>(shape[d], 1);
      auto& bytes =
          data.emplace_back(static_cast<size_t>(shape.elements()) * dtype_size(info.dtype));
      const bool real = info.dtype == DType::kFloat32;
      for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = real ? std::byte{0} : static_cast<std::byte>(random());
      tensors.push_back({info.name, {info.dtype, shape, {}}});
    }
    for (size_t i = 0; i < data.size(); ++i) {
      tensors[i].tensor.data = data[i];
      views.push_back(tensors[i].tensor);
    }
  }
  std::vector<std::vector<std::byte>> data;
  std::vector<NamedTensor> tensors;
  std::vector<TensorView> views;
};

// The C client with everything in shared memory.
class ZeroCopy {
 public:
  ZeroCopy(const std::string& path, const Inputs& inputs, uint32_t spin_us = 0) {
    inferd_buffer memory;
    if (inferd_local_connect(path.c_str(), &connection_, &error_) != 0 ||
        inferd_local_bind(connection_, "model", 0, &request_.model, &error_) != 0 ||
        inferd_local_map(connection_, kBytes, &memory, &error_) != 0) {
      die(error_.message);
    }
    inferd_local_set_spin(connection_, spin_us);
    size_t used = 0;
    for (const TensorView& input : inputs.views) {
      std::memcpy(static_cast<char*>(memory.data) + used, input.data.data(), input.data.size());
      places_.push_back(place(memory.number, input.data.size(), used));
    }
    const size_t count = request_.model->output_count;
    for (size_t i = 0; i < count; ++i)
      places_.push_back(place(memory.number, (kBytes - used) / 64 / (count - i) * 64, used));
    request_.inputs = places_.data();
    request_.outputs = places_.data() + inputs.views.size();
  }
  ~ZeroCopy() { inferd_local_close(connection_); }
  ZeroCopy(const ZeroCopy&) = delete;
  ZeroCopy& operator=(const ZeroCopy&) = delete;

  void run() {
    if (inferd_local_infer(connection_, &request_, -1, &answer_, &error_) != 0) die(error_.message);
    inside_.push_back(static_cast<double>(answer_.daemon_ns - answer_.compute_ns) * 1e-3);
  }
  // Of the time that a run takes, what passes in the daemon beside the model, in microseconds.
  double inside() const { return median(inside_); }
  size_t output_bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < answer_.output_count; ++i) bytes += answer_.outputs[i].bytes;
    return bytes;
  }

 private:
  static constexpr size_t kBytes = size_t{16} << 20;

  static inferd_place place(uint32_t buffer, size_t bytes, size_t& used) {
    inferd_place place{};
    place.buffer = buffer;
    place.offset = used;
    place.bytes = bytes;
    used += (bytes + 63) / 64 * 64;
    return place;
  }

  inferd_local* connection_ = nullptr;
  inferd_request request_{};
  std::vector<inferd_place> places_;
  inferd_answer answer_{};
  inferd_error error_{};
  std::vector<double> inside_;
};

// Times of one way, in microseconds.
struct Way {
  const char* name;
  std::function<void()> run;
  std::vector<double> p50 = {}, p99 = {}, added = {};  // by round
};

void measure(Way& way, double seconds) {
  using Clock = std::chrono::steady_clock;
  pause();
  for (int i = 0; i < 50; ++i) way.run();
  std::vector<double> times;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < until || times.size() < 20) {
    const auto start = Clock::now();
    way.run();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  way.p50.push_back(times[times.size() / 2]);
  way.p99.push_back(times[times.size() * 99 / 100]);
}

// Microseconds that a run takes.
double time_alone(Context& context, const Inputs& inputs) {
  Way way{"", [&] { check(context.run(inputs.views).status()); }};
  measure(way, 0.3);
  return way.p50[0];
}

void bench(const Options& options, const std::string& file) {
  EngineOptions engine_options;
  engine_options.threads = options.threads;
  const auto engine = Engine::create(engine_options);
  check(engine.status());
  const auto model = (*engine)->load(file);
  check(model.status());
  auto context = (*model)->create_context();
  check(context.status());
  const Inputs inputs(**model);
  auto daemon = Daemon::start(options.inferd, file, options.threads);
  check(daemon.status());
  ZeroCopy zero_copy(daemon->local_path(), inputs);
  ZeroCopy spinning(daemon->spinning_path(), inputs, kSpinUs);
  const auto local = Client::connect(daemon->local());
  const auto grpc = Client::connect(daemon->grpc());
  const double alone = time_alone(**context, inputs);
  zero_copy.run();
  const auto bare = BareGrpc::start(alone, zero_copy.output_bytes());
  check(bare.status());
  const auto bare_client = Client::connect(bare->endpoint());

  std::vector<Way> ways = {
      {"`Context::run`, no daemon", [&] { check((*context)->run(inputs.views).status()); }},
      {"local socket, C", [&] { zero_copy.run(); }},
      {"local socket, C, both spin", [&] { spinning.run(); }},
      {"local socket, C++ (copies)",
       [&] { check(local->infer("model", inputs.tensors).status()); }},
      {"gRPC over a Unix socket, C++",
       [&] { check(grpc->infer("model", inputs.tensors).status()); }},
      {"a bare gRPC server, C++",
       [&] { check(bare_client->infer("model", inputs.tensors).status()); }},
  };
  for (int round = 0; round < options.rounds; ++round) {
    for (Way& way : ways) {
      measure(way, options.seconds);
      way.added.push_back(way.p50.back() - ways[0].p50.back());
    }
  }
  size_t bytes = 0;
  for (const auto& data : inputs.data) bytes += data.size();
  const std::string name = std::filesystem::path(file).stem();
  for (const Way& way : ways) {
    std::printf("| %s (%zu B in, %zu B out) | %s | %.1f | %.1f | %.1f |\n", name.c_str(), bytes,
                zero_copy.output_bytes(), way.name, median(way.p50), median(way.p99),
                median(way.added));
  }
  std::fprintf(stderr, "%s: of what the local socket adds, %.1f us pass in the daemon\n",
               name.c_str(), zero_copy.inside());
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--bare-grpc") {
    return inferd::bench::serve_bare_grpc(argv[2], std::atof(argv[3]),
                                          std::strtoul(argv[4], nullptr, 10));
  }
  const auto options = inferd::bench::parse(argc, argv);
  std::printf(
      "| model | way | p50, us | p99, us | added p50, us |\n| --- | --- | ---: | ---: | ---: |\n");
  for (const std::string& model : options.models) inferd::bench::bench(options, model);
  return 0;
}
