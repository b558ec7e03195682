// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/governor_options.h"

#include <algorithm>
#include <string>

namespace inferd::config {
namespace {

constexpr int64_t kMaxSteps = 32;
constexpr double kMaxSeconds = 24 * 3600;
constexpr double kMinFps = 0.01, kMaxFps = 1000;
constexpr double kMinCelsius = 0, kMaxCelsius = 150;

// {enter, leave} of what calls for less above `enter`. Without `leave`, it is `apart` below that.
void read_threshold(MapReader& parent, const std::string& key, double apart,
                    std::optional<GovernorThreshold>& out) {
  const YAML::Node node = parent.child(key);
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  GovernorThreshold threshold;
  r.read("enter", threshold.enter, 0, 100);
  if (!r.child("enter").IsDefined()) r.error(node, "'" + key + "' needs 'enter', in percent");
  threshold.leave = std::max(threshold.enter - apart, 0.0);
  r.read("leave", threshold.leave, 0, 100);
  r.finish();
  if (r.child("leave").IsDefined() && threshold.leave >= threshold.enter)
    r.error(r.child("leave"), "'leave' must be below 'enter'");
  out = threshold;
}

// Calls for less below `enter`.
void read_battery(MapReader& parent, std::optional<GovernorThreshold>& out) {
  const YAML::Node node = parent.child("battery");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  GovernorThreshold threshold;
  r.read("enter", threshold.enter, 0, 100);
  if (!r.child("enter").IsDefined()) r.error(node, "'battery' needs 'enter', in percent");
  threshold.leave = std::min(threshold.enter + 10, 100.0);
  r.read("leave", threshold.leave, 0, 100);
  r.finish();
  if (threshold.leave <= threshold.enter)
    r.error(node, "'leave' must be above 'enter': the battery is full again then");
  out = threshold;
}

void read_temperature(MapReader& parent, GovernorConfig& governor) {
  const YAML::Node node = parent.child("temperature");
  if (!node.IsDefined()) return;
  MapReader r(node, parent.file(), parent.errors());
  r.read("zones", governor.zones);
  GovernorThreshold& below = governor.below_trip;
  r.read("enter_below_trip", below.enter, 0, kMaxCelsius);
  r.read("leave_below_trip", below.leave, 0, kMaxCelsius);
  if (below.leave <= below.enter)
    r.error(node, "'leave_below_trip' must be larger than 'enter_below_trip': it is cooler");
  std::optional<double> enter, leave;
  r.read("enter", enter, kMinCelsius, kMaxCelsius);
  r.read("leave", leave, kMinCelsius, kMaxCelsius);
  r.finish();
  if (leave && !enter) r.error(r.child("leave"), "'leave' needs 'enter'");
  if (!enter) return;
  constexpr double kApart = 7;
  governor.temperature = {*enter, leave.value_or(*enter - kApart)};
  if (governor.temperature->leave >= *enter) r.error(node, "'leave' must be below 'enter'");
  for (const char* key : {"enter_below_trip", "leave_below_trip"}) {
    if (const YAML::Node other = r.child(key); other.IsDefined())
      r.error(other, "'" + std::string(key) + "' means nothing beside 'enter'");
  }
}

GovernorStep read_step(const YAML::Node& node, MapReader& parent) {
  MapReader r(node, parent.file(), parent.errors());
  GovernorStep step;
  step.mark = r.mark();
  r.read("pipeline", step.pipeline);
  r.read("max_fps", step.max_fps, kMinFps, kMaxFps);
  r.read("model", step.model);
  r.read("variant", step.variant);
  r.read("threads", step.threads, 1, 256);
  // All requests have priority 1 at least: to refuse those would be to serve nothing.
  r.read("shed", step.shed, 2, 1'000'000);
  r.finish();
  const int kinds = (step.pipeline.empty() ? 0 : 1) + (step.model.empty() ? 0 : 1) +
                    (step.threads == 0 ? 0 : 1) + (step.shed == 0 ? 0 : 1);
  const bool pairs =
      step.pipeline.empty() == (step.max_fps == 0) && step.model.empty() == step.variant.empty();
  if (node.IsMap() && (kinds != 1 || !pairs)) {
    r.error(node,
            "a step is one of {pipeline: NAME, max_fps: N}, {model: NAME, variant: NAME}, "
            "{threads: N} and {shed: PRIORITY}");
  }
  return step;
}

// What takes back a part of what an earlier one did, for the same thing.
bool is_weaker(const GovernorStep& step, const GovernorStep& before) {
  if (!step.pipeline.empty())
    return step.pipeline == before.pipeline && step.max_fps >= before.max_fps;
  if (step.threads != 0) return before.threads != 0 && step.threads >= before.threads;
  return step.shed != 0 && before.shed != 0 && step.shed >= before.shed;
}

void read_steps(MapReader& r, std::vector<GovernorStep>& steps) {
  const YAML::Node list = r.child("steps");
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxSteps) {
    return r.error(list.IsDefined() ? list : r.node(), "'governor' needs 'steps', a list of 1 to " +
                                                           std::to_string(kMaxSteps) + " of them");
  }
  for (const auto& item : list) {
    steps.push_back(read_step(item, r));
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      if (!is_weaker(steps.back(), steps[i])) continue;
      r.error(item, "the step at " + steps[i].mark.to_string() +
                        " does as much already; each must ask for less than those before it");
      break;
    }
  }
}

}  // namespace

void read_governor(MapReader& parent, std::optional<GovernorConfig>& governor) {
  const YAML::Node node = parent.child("governor");
  if (!node.IsDefined() || node.IsNull()) return;
  MapReader r(node, parent.file(), parent.errors());
  GovernorConfig& g = governor.emplace();
  r.read("every_s", g.every_s, 0.1, kMaxSeconds);
  r.read("hold_s", g.hold_s, 0, kMaxSeconds);
  g.release_s = 3 * g.hold_s;
  r.read("release_s", g.release_s, 0, kMaxSeconds);
  if (g.release_s < g.hold_s)
    r.error(r.child("release_s"), "'release_s' must not be less than 'hold_s'");
  read_temperature(r, g);
  r.read("throttled", g.throttled);
  read_threshold(r, "cpu_pressure", 20, g.cpu_pressure);
  read_threshold(r, "memory_pressure", 10, g.memory_pressure);
  read_threshold(r, "memory", 10, g.memory);
  read_battery(r, g.battery);
  read_steps(r, g.steps);
  r.finish();
}

}  // namespace inferd::config
