// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "clients/inferctl/connect.h"
#include "clients/inferctl/pipeline_commands.h"
#include "clients/inferctl/pipeline_preview.h"

namespace inferd::ctl {

nlohmann::json to_json(const PipelineInfo& p) {
  nlohmann::json json = {{"name", p.name},
                         {"state", p.state},
                         {"reason", p.reason},
                         {"source", p.source},
                         {"model", p.model},
                         {"captured", p.captured},
                         {"processed", p.processed},
                         {"dropped", p.dropped},
                         {"failed", p.failed},
                         {"last_error", p.last_error},
                         {"captured_fps", p.captured_fps},
                         {"processed_fps", p.processed_fps},
                         {"latency_median_ms", p.latency_median_ms},
                         {"latency_p99_ms", p.latency_p99_ms},
                         {"restarts", p.restarts},
                         {"nodes", nlohmann::json::array()},
                         {"graph", nlohmann::json::array()}};
  for (const PipelineNode& node : p.nodes) {
    json["nodes"].push_back({{"name", node.name},
                             {"node", node.node},
                             {"frames", node.frames},
                             {"total_ns", node.total_ns}});
    if (node.state.empty()) continue;
    json["nodes"].back().update({{"state", node.state},
                                 {"queued", node.queued},
                                 {"dropped", node.dropped},
                                 {"last_error", node.last_error}});
  }
  for (const PipelineGraphNode& node : p.graph) {
    nlohmann::json one = {{"name", node.name},     {"taken", node.taken}, {"given", node.given},
                          {"queued", node.queued}, {"fps", node.fps},     {"drops", node.drops}};
    if (!node.state.empty()) {
      one["state"] = node.state;
      one["reason"] = node.reason;
      one["failures"] = node.failures;
    }
    json["graph"].push_back(std::move(one));
  }
  return json;
}

namespace {

void print(const PipelineInfo& p) {
  const std::string trouble = (p.reason.empty() ? "" : "; " + p.reason) +
                              (p.last_error.empty() ? "" : "; last error: " + p.last_error);
  std::printf(
      "%-16s %-9s %s -> %s: %llu captured, %llu processed, %llu dropped, %llu failed; %.1f of "
      "%.1f "
      "frames/s; latency median %.1f ms, p99 %.1f ms%s\n",
      p.name.c_str(), p.state.c_str(), p.source.c_str(), p.model.c_str(),
      static_cast<unsigned long long>(p.captured), static_cast<unsigned long long>(p.processed),
      static_cast<unsigned long long>(p.dropped), static_cast<unsigned long long>(p.failed),
      p.processed_fps, p.captured_fps, p.latency_median_ms, p.latency_p99_ms, trouble.c_str());
}

Status list(const Globals& globals) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const auto pipelines, client->pipelines());
  nlohmann::json json = nlohmann::json::array();
  for (const PipelineInfo& p : pipelines) {
    json.push_back(to_json(p));
    if (!globals.json) print(p);
  }
  if (globals.json) std::cout << json.dump(2) << "\n";
  return ok_status();
}

void print(const PipelineGraphNode& node) {
  std::printf("  %-22s %10llu frames %8.1f/s", node.name.c_str(),
              static_cast<unsigned long long>(node.given), node.fps);
  if (node.queued > 0) std::printf("  %llu wait", static_cast<unsigned long long>(node.queued));
  for (const auto& [reason, count] : node.drops)
    std::printf("  %llu %s", static_cast<unsigned long long>(count), reason.c_str());
  if (!node.state.empty()) std::printf("  source %s", node.state.c_str());
  if (node.failures > 0) {
    std::printf(", failed %llu times: %s", static_cast<unsigned long long>(node.failures),
                node.reason.c_str());
  }
  std::printf("\n");
}

// A stage or sink.
void print(const PipelineNode& element) {
  const double each = element.frames == 0 ? 0
                                          : static_cast<double>(element.total_ns) * 1e-6 /
                                                static_cast<double>(element.frames);
  std::printf("    %-20s %10llu frames %10.3f ms each", element.name.c_str(),
              static_cast<unsigned long long>(element.frames), each);
  if (!element.state.empty()) {
    std::printf("  %s, %llu wait, %llu lost", element.state.c_str(),
                static_cast<unsigned long long>(element.queued),
                static_cast<unsigned long long>(element.dropped));
  }
  if (!element.last_error.empty()) std::printf("; last error: %s", element.last_error.c_str());
  std::printf("\n");
}

// One pipeline, with the time of each of its nodes.
void print_all(const PipelineInfo& p, const Globals& globals) {
  if (globals.json) {
    std::cout << to_json(p).dump(2) << "\n";
    return;
  }
  print(p);
  for (const PipelineGraphNode& node : p.graph) {
    print(node);
    if (!node.state.empty()) continue;
    for (const PipelineNode& element : p.nodes) {
      if (element.node == node.name) print(element);
    }
  }
}

Status show(const Globals& globals, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const auto pipelines, client->pipelines());
  std::string names;
  for (const PipelineInfo& p : pipelines) {
    names += (names.empty() ? "; there are: " : ", ") + p.name;
    if (p.name != name) continue;
    print_all(p, globals);
    return ok_status();
  }
  return not_found("there is no pipeline '" + name + "'" + names);
}

Status change(const Globals& globals, const std::string& name, PipelineChange change) {
  INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
  INFERD_ASSIGN_OR_RETURN(const PipelineInfo info, client->change_pipeline(name, change));
  print_all(info, globals);
  return ok_status();
}

template <typename Named>
std::string name_of(const Named& named) {
  return named.label.empty() ? "class " + std::to_string(named.class_id) : named.label;
}

void print(const WatchedFrame& f) {
  std::printf("frame %-6llu %6.1f ms  %s", static_cast<unsigned long long>(f.sequence),
              static_cast<double>(f.result_ns - f.capture_ns) * 1e-6, f.frame_name.c_str());
  for (const WatchedDetection& d : f.detections) {
    const auto x = [&](float v) { return static_cast<int>(v * static_cast<float>(f.width)); };
    const auto y = [&](float v) { return static_cast<int>(v * static_cast<float>(f.height)); };
    const std::string track = d.track_id == 0 ? "" : "#" + std::to_string(d.track_id) + " ";
    std::printf("  %s%s %.2f [%d,%d %dx%d]", track.c_str(), d.label.c_str(),
                static_cast<double>(d.score), x(d.x_min), y(d.y_min), x(d.x_max) - x(d.x_min),
                y(d.y_max) - y(d.y_min));
    for (const WatchedClass& c : d.classes)
      std::printf(" %s %.2f", name_of(c).c_str(), static_cast<double>(c.value));
    if (!d.text.empty()) std::printf(" \"%s\"", d.text.c_str());
  }
  for (const WatchedClass& c : f.classes)
    std::printf("  %s %.2f", name_of(c).c_str(), static_cast<double>(c.value));
  for (const WatchedClass& a : f.areas)
    std::printf("  %s %.1f%%", name_of(a).c_str(), 100 * static_cast<double>(a.value));
  for (const WatchedCount& c : f.counts) {
    std::printf("  %s: %s %llu in, %llu out, %u inside", c.name.c_str(), name_of(c).c_str(),
                static_cast<unsigned long long>(c.in), static_cast<unsigned long long>(c.out),
                c.inside);
  }
  for (const WatchedValue& v : f.values) std::printf("  %s %.4g", v.name.c_str(), v.value);
  if (!f.text.empty()) std::printf("  \"%s\"", f.text.c_str());
  const bool nothing = f.detections.empty() && f.classes.empty() && f.areas.empty() &&
                       f.values.empty() && f.text.empty();
  std::printf("%s\n", nothing ? "  -" : "");
  std::fflush(stdout);
}

nlohmann::json to_json(const std::vector<WatchedClass>& scores) {
  nlohmann::json json = nlohmann::json::array();
  for (const WatchedClass& c : scores)
    json.push_back({{"label", c.label}, {"class_id", c.class_id}, {"score", c.value}});
  return json;
}

// What is said of the frame as a whole, where something is; as sinks write it.
void add_frame(const WatchedFrame& f, nlohmann::json& json) {
  if (!f.classes.empty()) json["classes"] = to_json(f.classes);
  for (const WatchedClass& a : f.areas)
    json["areas"].push_back({{"label", a.label}, {"class_id", a.class_id}, {"fraction", a.value}});
  if (f.mask.width > 0) {
    json["mask"] = {{"width", f.mask.width}, {"height", f.mask.height}, {"runs", f.mask.runs}};
  }
  for (const WatchedCount& c : f.counts) {
    json["counts"].push_back({{"name", c.name},
                              {"label", c.label},
                              {"class_id", c.class_id},
                              {"in", c.in},
                              {"out", c.out},
                              {"inside", c.inside}});
  }
  for (const WatchedValue& v : f.values)
    json["values"].push_back({{"name", v.name}, {"value", v.value}});
  if (!f.text.empty()) json["text"] = f.text;
  if (!f.node.empty()) json["node"] = f.node;
  if (!f.source.empty()) json["source"] = f.source;
}

void print_json(const WatchedFrame& f) {
  nlohmann::json json = {{"sequence", f.sequence},
                         {"dropped", f.dropped},
                         {"frame", f.frame_name},
                         {"latency_ms", static_cast<double>(f.result_ns - f.capture_ns) * 1e-6},
                         {"width", f.width},
                         {"height", f.height},
                         {"detections", nlohmann::json::array()}};
  for (const WatchedDetection& d : f.detections) {
    nlohmann::json item = {{"label", d.label},
                           {"class_id", d.class_id},
                           {"score", d.score},
                           {"box", {d.x_min, d.y_min, d.x_max, d.y_max}}};
    for (const WatchedKeypoint& k : d.keypoints) item["keypoints"].push_back({k.x, k.y, k.score});
    if (d.track_id != 0) item["track_id"] = d.track_id;
    if (!d.classes.empty()) item["classes"] = to_json(d.classes);
    if (!d.text.empty()) item["text"] = d.text;
    json["detections"].push_back(std::move(item));
  }
  add_frame(f, json);
  std::cout << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

}  // namespace

void print_frame(const Globals& globals, const WatchedFrame& frame) {
  globals.json ? print_json(frame) : print(frame);
}

void add_pipeline(CLI::App& app, const Globals& globals, Run& chosen) {
  CLI::App* command = app.add_subcommand("pipeline", "the daemon's pipelines");
  command->require_subcommand(1);
  CLI::App* list_command =
      command->add_subcommand("list", "pipelines with their counters and latency");
  list_command->callback([&] { chosen = [&globals] { return list(globals); }; });

  const auto add = [&](const char* verb, const char* help,
                       std::function<Status(const std::string&)> run) {
    CLI::App* subcommand = command->add_subcommand(verb, help);
    const auto pipeline = std::make_shared<std::string>();
    subcommand->add_option("NAME", *pipeline, "pipeline")->required();
    subcommand->callback([&chosen, pipeline, run = std::move(run)] {
      chosen = [pipeline, run] { return run(*pipeline); };
    });
  };
  const auto changes = [&globals](PipelineChange what) {
    return [&globals, what](const std::string& name) { return change(globals, name, what); };
  };
  add("show", "one pipeline with the time of each of its stages and sinks",
      [&globals](const std::string& name) { return show(globals, name); });
  add("start", "starts one that does not run", changes(PipelineChange::kStart));
  add("stop", "stops one: ends its source and finishes its frames", changes(PipelineChange::kStop));
  add("restart", "stops and starts one", changes(PipelineChange::kRestart));

  add_pipeline_ask(*command, globals, chosen);
  add_pipeline_check(*command, globals, chosen);
  add_pipeline_snapshot(*command, globals, chosen);
  add_pipeline_stats(*command, globals, chosen);

  CLI::App* watch =
      command->add_subcommand("watch", "results as they are made, one line per frame");
  auto name = std::make_shared<std::string>();
  auto count = std::make_shared<uint64_t>(0);
  watch->add_option("NAME", *name, "pipeline")->required();
  watch->add_option("--count", *count, "end after so many frames");
  const auto draws = std::make_shared<bool>(false);
  const auto preview_options = std::make_shared<PreviewOptions>();
  CLI::Option* const draw =
      watch->add_flag("--preview", *draws, "draw frames with their results in the terminal");
  watch->add_option("--max-fps", preview_options->max_fps, "with --preview: frames a second")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 60.0))
      ->needs(draw);
  watch
      ->add_option("--graphics", preview_options->graphics,
                   "with --preview: how; auto asks the terminal")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "kitty", "sixel", "blocks"}))
      ->needs(draw);
  watch->callback([&globals, &chosen, name, count, draws, preview_options] {
    chosen = [&globals, name, count, draws, preview_options]() -> Status {
      if (*draws) {
        preview_options->pipeline = *name;
        preview_options->count = *count;
        return preview(globals, *preview_options);
      }
      uint64_t seen = 0;
      INFERD_ASSIGN_OR_RETURN(const auto client, connect(globals));
      return client->watch(*name, [&](const WatchedFrame& frame) {
        print_frame(globals, frame);
        return *count == 0 || ++seen < *count;
      });
    };
  });
}

}  // namespace inferd::ctl
