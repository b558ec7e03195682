// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <random>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/inputs.h"
#include "clients/inferctl/load_target.h"
#include "clients/inferctl/progress.h"
#include "clients/inferctl/report/report.h"
#include "clients/inferctl/text.h"
#include "inferd/engine/tensor.h"

namespace inferd::ctl {
namespace {

constexpr int kMostOnTheirWay = 256;  // of an open loop, unless --concurrency says otherwise

struct Options {
  std::string model, version, preprocess;
  std::vector<std::string> inputs;
  int64_t batch = 1, deadline_ms = 0;
  int concurrency = 0, connections = 1, priority = 0;
  double rate = 0, duration_s = 10;
  bool poisson = false;
  std::string html;
};

// Random numbers, the same each time: bytes of any value, reals from 0 to 1, zeros and ones where
// they may be indices.
Result<media::Array> random_input(const TensorInfo& info, int64_t batch) {
  media::Array array{info.dtype, info.shape, {}};
  for (int d = 0; d < array.shape.rank(); ++d) {
    if (array.shape[d] == kDynamicDim) array.shape[d] = d == 0 ? batch : 1;
  }
  INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(array.dtype, array.shape));
  array.data.resize(static_cast<size_t>(bytes));
  std::mt19937 random(1);
  if (array.dtype == DType::kFloat32) {
    auto* values = reinterpret_cast<float*>(array.data.data());
    std::uniform_real_distribution<float> reals;
    for (size_t i = 0; i < array.data.size() / sizeof(float); ++i) values[i] = reals(random);
  } else if (array.dtype == DType::kInt8 || array.dtype == DType::kUInt8) {
    for (std::byte& value : array.data) value = static_cast<std::byte>(random() & 0xFF);
  } else if (array.dtype != DType::kFloat16 && array.dtype != DType::kFloat64) {
    for (size_t i = 0; i < array.data.size(); i += dtype_size(array.dtype))
      array.data[i] = static_cast<std::byte>(random() & 1);  // the lowest byte of each
  }
  return array;
}

Result<std::vector<media::Array>> make_inputs(const ServedModelInfo& model, const Options& o) {
  if (!o.inputs.empty()) return read_inputs(model.inputs, o.inputs, o.preprocess);
  std::vector<media::Array> arrays;
  for (const TensorInfo& input : model.inputs) {
    INFERD_ASSIGN_OR_RETURN(media::Array array, random_input(input, o.batch));
    arrays.push_back(std::move(array));
  }
  return arrays;
}

double ms(double ns) { return ns * 1e-6; }
double ms(int64_t ns) { return ms(static_cast<double>(ns)); }

nlohmann::json to_json(const LatencyHistogram& latency) {
  return {{"p50", ms(latency.percentile(50))}, {"p90", ms(latency.percentile(90))},
          {"p99", ms(latency.percentile(99))}, {"p99.9", ms(latency.percentile(99.9))},
          {"max", ms(latency.max())},          {"mean", ms(latency.mean())}};
}

nlohmann::json to_json(const LoadReport& report, const LoadPlan& plan, const Options& o) {
  const LatencyHistogram& latency = report.latency;
  nlohmann::json json = {{"model", o.model},
                         {"loop", plan.rate > 0 ? "open" : "closed"},
                         {"rate", plan.rate},
                         {"poisson", plan.poisson},
                         {"concurrency", plan.concurrency},
                         {"connections", o.connections},
                         {"seconds", report.seconds},
                         {"sent", report.sent},
                         {"unsent", report.unsent},
                         {"succeeded", latency.count()},
                         {"throughput", static_cast<double>(latency.count()) / report.seconds},
                         {"latency_ms", to_json(latency)},
                         {"histogram_ms", report::histogram_json(latency)},
                         {"failing_latency_ms", to_json(report.failing)},
                         {"errors", nlohmann::json::object()}};
  for (const auto& [code, count] : report.errors)
    json["errors"][std::string(status_code_name(code))] = count;
  return json;
}

void print(const LoadReport& report, const LoadPlan& plan) {
  const LatencyHistogram& latency = report.latency;
  std::printf("%llu of %llu requests answered in %.1f s, %.1f a second\n",
              static_cast<unsigned long long>(latency.count()),
              static_cast<unsigned long long>(report.sent), report.seconds,
              static_cast<double>(latency.count()) / report.seconds);
  std::printf("latency, ms%s: p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f  mean %.3f\n",
              plan.rate > 0 ? " from when requests were due" : "", ms(latency.percentile(50)),
              ms(latency.percentile(90)), ms(latency.percentile(99)), ms(latency.percentile(99.9)),
              ms(latency.max()), ms(latency.mean()));
  if (report.unsent > 0) {
    std::printf("%llu requests were due, but %d were on their way until the end\n",
                static_cast<unsigned long long>(report.unsent), plan.concurrency);
  }
  if (report.failing.count() > 0) {
    std::printf("until the others failed, ms: p50 %.3f  p99 %.3f  max %.3f\n",
                ms(report.failing.percentile(50)), ms(report.failing.percentile(99)),
                ms(report.failing.max()));
  }
  for (const auto& [code, count] : report.errors) {
    std::printf("%llu %s, the first: %s\n", static_cast<unsigned long long>(count),
                std::string(status_code_name(code)).c_str(), report.said.at(code).c_str());
  }
}

LoadPlan plan_of(const Options& o) {
  LoadPlan plan;
  plan.rate = o.rate;
  plan.poisson = o.poisson;
  plan.concurrency = o.concurrency > 0 ? o.concurrency : o.rate > 0 ? kMostOnTheirWay : 1;
  plan.duration = std::chrono::nanoseconds(static_cast<int64_t>(o.duration_s * 1e9));
  return plan;
}

Status write_html(const nlohmann::json& json, const Options& o, const Globals& globals,
                  Client& client) {
  nlohmann::json about = report::about_this_run(globals.version);
  about["endpoint"] = globals.endpoint;
  // A daemon that the load has ended leaves its report.
  const Result<ServerInfo> server = client.server();
  about["daemon"] = server.ok() ? server->name + " " + server->version : server.status().message();
  return report::write_report(o.html, report::load_report(json, about));
}

Status load(const Options& o, const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const ConnectOptions connection, connect_options(globals));
  INFERD_ASSIGN_OR_RETURN(const auto client, Client::connect(globals.endpoint, connection));
  INFERD_ASSIGN_OR_RETURN(const ServedModelInfo model, client->model(o.model));
  INFERD_ASSIGN_OR_RETURN(const auto arrays, make_inputs(model, o));
  LoadTarget target{globals.endpoint, connection, o.model, {}, {o.version, {}, o.priority, 0}};
  for (size_t i = 0; i < arrays.size(); ++i)
    target.inputs.push_back({model.inputs[i].name, arrays[i].view()});
  // What is wrong with every request is said once, and at once; hence without the deadline.
  INFERD_RETURN_IF_ERROR(client->infer(o.model, target.inputs, target.options).status());
  target.options.timeout_ms = o.deadline_ms;

  const LoadPlan plan = plan_of(o);
  INFERD_ASSIGN_OR_RETURN(const auto sender,
                          Sender::create(target, o.connections, plan.concurrency));
  Progress progress;
  const auto on_progress = [&](double seconds) {
    progress.show("load, seconds", static_cast<size_t>(seconds), static_cast<size_t>(o.duration_s));
  };
  const LoadReport report = generate_load(
      plan, [&](auto done) { sender->send(std::move(done)); }, on_progress);
  const nlohmann::json json = to_json(report, plan, o);
  if (!o.html.empty()) INFERD_RETURN_IF_ERROR(write_html(json, o, globals, *client));
  if (globals.json) {
    std::cout << json.dump(2) << "\n";
  } else {
    print(report, plan);
  }
  if (report.latency.count() > 0 || report.sent == 0) return ok_status();
  return failed_precondition("no request succeeded: " + report.said.begin()->second);
}

}  // namespace

void add_load(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command =
      app.add_subcommand("load", "send requests to the daemon and measure how it does");
  auto o = std::make_shared<Options>();
  command->add_option("MODEL", o->model, "model name")->required();
  command
      ->add_option("--concurrency", o->concurrency,
                   "requests that are on their way all the time (1); with --rate, at most (256)")
      ->check(CLI::Range(1, 100'000));
  command
      ->add_option("--rate", o->rate,
                   "requests a second, however long answers take; latencies count from when a "
                   "request was due")
      ->check(CLI::Range(0.001, 1e6));
  command->add_flag("--poisson", o->poisson, "with --rate: pauses as of independent clients")
      ->needs("--rate");
  command->add_option("--duration", o->duration_s, "seconds")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 1e6));
  command->add_option("--deadline-ms", o->deadline_ms, "of each request, 10 s by default")
      ->check(CLI::Range(1, 86'400'000));
  command->add_option("--priority", o->priority, "1 is the most urgent; 0: the model's default")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--connections", o->connections, "over gRPC")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option("--input", o->inputs, "NAME=FILE as for `infer`; random numbers by default");
  command->add_option("--preprocess", o->preprocess, "how pictures become the input, as for `run`");
  command->add_option("--batch", o->batch, "elements of each request, where inputs are random")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  command->add_option("--html", o->html, "write a report with charts to this file");
  command->add_option("--model-version", o->version, "version, the newest by default");
  command->callback(
      [&globals, &chosen, o] { chosen = [&globals, o] { return load(*o, globals); }; });
}

}  // namespace inferd::ctl
