// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/report/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <span>
#include <thread>

#include "clients/inferctl/report/chart.h"
#include "clients/inferctl/report/html.h"
#include "media/file.h"

namespace inferd::ctl::report {
namespace {

using Json = nlohmann::json;
using Facts = std::vector<std::pair<std::string, std::string>>;

constexpr size_t kMaxRanges = 80;  // of a histogram

// What a file of the kernel says after the name of a line; empty: nothing.
std::string line_of(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(name)) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

// Of boards, their own name; of others, the CPU's.
std::string machine() {
  std::ifstream file("/proc/device-tree/model");
  std::string model;
  std::getline(file, model, '\0');
  const std::string cpu = line_of("/proc/cpuinfo", "model name");
  if (model.empty() || cpu.empty()) return model + cpu;
  return model + ", " + cpu;
}

std::string command() {
  std::ifstream file("/proc/self/cmdline");
  std::string command;
  for (std::string word; std::getline(file, word, '\0');)
    command += (command.empty() ? "" : " ") + word;
  return command;
}

std::string text(const Json& json, const char* key) {
  return json.contains(key) ? escaped(json[key].get<std::string>()) : "-";
}

std::string about_html(const Json& about) {
  Facts rows = {{"command", "<code>" + text(about, "command") + "</code>"},
                {"made", text(about, "time")},
                {"machine", text(about, "machine") + ", " + number(about["cpus"]) + " CPUs, " +
                                number(about["memory_mb"]) + " MB of memory"},
                {"system", text(about, "system")},
                {"inferctl", text(about, "inferctl")}};
  if (about.contains("daemon")) rows.emplace_back("daemon", text(about, "daemon"));
  if (about.contains("endpoint")) rows.emplace_back("endpoint", text(about, "endpoint"));
  return section("Where and how", facts(rows));
}

std::string latency_chart(const Json& ranges, const std::vector<Line>& marks) {
  std::vector<Bar> bars;
  for (const Json& range : ranges)
    bars.push_back({range[0].get<double>(), range[1].get<double>(), range[2].get<double>()});
  return "<figure>\n" + histogram(bars, marks, "ms") +
         "<figcaption>How many runs took how long; the axis is "
         "logarithmic.</figcaption>\n</figure>\n";
}

std::string cell(const std::string& html) { return "<td>" + html + "</td>"; }
std::string number_cell(const std::string& html) { return "<td class=\"n\">" + html + "</td>"; }

bool is_float(const Json& layer) {
  return layer["kernel"].get<std::string>().find("_f32") != std::string::npos;
}

std::string layer_table(const Json& layers) {
  double all = 0, slowest = 0;
  for (const Json& layer : layers) {
    all += layer["ms"].get<double>();
    slowest = std::max(slowest, layer["ms"].get<double>());
  }
  std::string html =
      "<table id=\"layers\">\n<tr><th>layer</th><th>operator</th><th>kernel</th>"
      "<th class=\"n\">ms</th><th class=\"n\">share</th><th></th><th class=\"n\">GMAC/s</th>"
      "<th class=\"n\">of peak</th><th class=\"n\">GB/s</th></tr>\n";
  char share[32];
  for (const Json& layer : layers) {
    const double ms = layer["ms"].get<double>();
    std::snprintf(share, sizeof share, "%.1f %%", all > 0 ? ms / all * 100 : 0);
    char width[32];
    std::snprintf(width, sizeof width, "%.1f", slowest > 0 ? ms / slowest * 100 : 0);
    char peak[32];
    std::snprintf(peak, sizeof peak, "%.0f %%", layer["peak_share"].get<double>() * 100);
    html += "<tr>" + cell(text(layer, "name")) + cell(text(layer, "op")) +
            cell(text(layer, "kernel")) + number_cell(number(layer["ms"])) + number_cell(share) +
            cell("<svg viewBox=\"0 0 100 8\" style=\"width: 7rem\"><rect class=\"bar\" width=\"" +
                 std::string(width) + "\" height=\"8\"/></svg>") +
            number_cell(number(layer["gmacs_per_s"], 1)) + number_cell(peak) +
            number_cell(number(layer["gbytes_per_s"], 1)) + "</tr>\n";
  }
  return html + "</table>\n";
}

std::string roofline_section(const Json& result) {
  std::vector<Point> points;
  size_t others = 0;
  for (const Json& layer : result["layers"]) {
    const double gmacs = layer["gmacs_per_s"].get<double>();
    const double gbytes = layer["gbytes_per_s"].get<double>();
    if (gmacs <= 0 || gbytes <= 0) {
      ++others;
      continue;
    }
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, ": %.3f ms, %.1f GMAC/s, %.2f MAC/byte",
                  layer["ms"].get<double>(), gmacs, gmacs / gbytes);
    points.push_back({gmacs / gbytes, gmacs, layer["ms"].get<double>(), is_float(layer),
                      layer["name"].get<std::string>() + numbers});
  }
  const Json& peak = result["peak_gmacs_per_s"];
  const Json& memory = result["memory_bandwidth"];
  const auto threads = result["threads"].get<double>();
  const Roof roof{peak["int8"].get<double>() * threads, peak["float32"].get<double>() * threads,
                  memory["gbytes_per_s"].get<double>()};
  std::string html = "<figure>\n" + roofline(points, roof) +
                     "<figcaption>Each layer by its multiply-adds for each byte of inputs, outputs "
                     "and weights, and for each second; the larger, the longer it takes. Layers "
                     "above the slope have their data in caches.";
  if (others > 0)
    html += " " + std::to_string(others) + " layers that multiply nothing are left out.";
  html += "</figcaption>\n</figure>\n";
  html += facts({{"int8, one thread", number(peak["int8"], 1) + " GMAC/s"},
                 {"float32, one thread", number(peak["float32"], 1) + " GMAC/s"},
                 {"memory", number(memory["gbytes_per_s"], 1) + " GB/s read by " +
                                number(memory["threads"]) + " threads"}});
  html +=
      "<p>Measured just after the runs. Multiply-adds: the engine's fastest kernel for a 1x1 "
      "convolution whose data fit the first cache, on one thread, the best of 250 rounds; the "
      "chart's levels are that times the number of threads. Memory: the threads read " +
      number(memory["bytes"]) +
      " bytes together, each its own part, with the C library's search for a byte, the best of 8 "
      "rounds.</p>\n";
  return section("Roofline", html);
}

}  // namespace

Json histogram_json(const LatencyHistogram& latency) {
  Json ranges = Json::array();
  for (const auto& range : latency.ranges(kMaxRanges)) {
    // The axis of the chart has no zero.
    const double begin = static_cast<double>(std::max<int64_t>(range.begin, 1)) * 1e-6;
    ranges.push_back(
        {begin, static_cast<double>(std::max<int64_t>(range.end, 2)) * 1e-6, range.count});
  }
  return ranges;
}

Json about_this_run(const std::string& version) {
  utsname system{};
  ::uname(&system);
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char time[64];
  std::strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S UTC", &utc);
  const int64_t memory = int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  return {{"command", command()},
          {"time", time},
          {"machine", machine()},
          {"cpus", std::thread::hardware_concurrency()},
          {"memory_mb", memory / 1'000'000},
          {"system", std::string(system.sysname) + " " + system.release + " " + system.machine},
          {"inferctl", version}};
}

std::string bench_report(const Json& result, const Json& about) {
  const std::string model = result["model"].get<std::string>();
  std::string html =
      section("Latency",
              latency_chart(result["histogram_ms"], {{result["median_ms"].get<double>(), "median"},
                                                     {result["p90_ms"].get<double>(), "p90"},
                                                     {result["p99_ms"].get<double>(), "p99"}}) +
                  facts({{"median", number(result["median_ms"]) + " ms"},
                         {"fastest", number(result["min_ms"]) + " ms"},
                         {"p90", number(result["p90_ms"]) + " ms"},
                         {"p99", number(result["p99_ms"]) + " ms"},
                         {"slowest", number(result["max_ms"]) + " ms"},
                         {"inferences a second", number(result["inferences_per_s"], 1)},
                         {"runs", number(result["iterations"]) + " in each of " +
                                      number(result["streams"]) + " streams, batch " +
                                      number(result["batch"])},
                         {"threads", number(result["threads"]) + ", " + text(result, "isa")}}));
  html += section("Model", facts({{"file", text(result, "model")},
                                  {"multiply-adds", number(result["macs"])},
                                  {"packed weights", number(result["weights_bytes"]) + " bytes"},
                                  {"activations", number(result["arena_bytes"]) + " bytes"},
                                  {"peak memory", number(result["peak_rss_bytes"]) + " bytes"}}));
  html += roofline_section(result);
  html += section("Layers of the fastest run", layer_table(result["layers"]));
  html += about_html(about);
  return page("inferctl bench: " + model, html, {{"result", result}, {"about", about}});
}

std::string load_report(const Json& result, const Json& about) {
  const std::string model = result["model"].get<std::string>();
  const Json& latency = result["latency_ms"];
  std::vector<Line> marks;
  for (const char* percentile : {"p50", "p90", "p99", "p99.9"}) {
    const auto at = latency[percentile].get<double>();
    if (at > 0) marks.push_back({at, percentile});
  }
  Facts rows;
  for (const char* key : {"p50", "p90", "p99", "p99.9", "max", "mean"})
    rows.emplace_back(key, number(latency[key]) + " ms");
  const bool is_open = result["loop"] == "open";
  std::string html = section(
      "Latency", latency_chart(result["histogram_ms"], marks) + facts(rows) +
                     (is_open ? "<p>From when requests were due, also where they could not be sent "
                                "in time.</p>\n"
                              : "<p>From when requests were sent.</p>\n"));
  html += section(
      "Load",
      facts({{"model", text(result, "model")},
             {"kind", is_open ? "open loop, " + number(result["rate"], 1) + " requests a second" +
                                    (result["poisson"].get<bool>() ? " at random" : "")
                              : "closed loop, " + number(result["concurrency"]) + " on their way"},
             {"connections", number(result["connections"])},
             {"time", number(result["seconds"], 1) + " s"},
             {"sent", number(result["sent"])},
             {"due, but not sent", number(result["unsent"])},
             {"answered", number(result["succeeded"])},
             {"answered a second", number(result["throughput"], 1)}}));
  Facts errors;
  for (const auto& [code, count] : result["errors"].items())
    errors.emplace_back(code, number(count));
  if (!errors.empty()) html += section("Errors", facts(errors));
  html += about_html(about);
  return page("inferctl load: " + model, html, {{"result", result}, {"about", about}});
}

Status write_report(const std::string& path, const std::string& html) {
  const Status written = media::write_file(path, std::as_bytes(std::span(html)));
  // UNAVAILABLE is said of daemons.
  return written.ok() ? ok_status() : failed_precondition(written.message());
}

}  // namespace inferd::ctl::report
