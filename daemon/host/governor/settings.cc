// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/governor/settings.h"

#include <cstdio>

namespace inferd::host {

Settings settings_of(std::span<const config::GovernorStep> taken) {
  Settings settings;
  for (const config::GovernorStep& step : taken) {
    if (!step.pipeline.empty()) settings.max_fps[step.pipeline] = step.max_fps;
    if (!step.model.empty()) settings.variants[step.model] = step.variant;
    if (step.threads != 0) settings.threads = step.threads;
    if (step.shed != 0) settings.shed = step.shed;
  }
  return settings;
}

std::string text_of(const config::GovernorStep& step) {
  if (!step.pipeline.empty()) {
    char fps[32];
    std::snprintf(fps, sizeof fps, "%g", step.max_fps);
    return "pipeline " + step.pipeline + " at " + fps + " frames a second";
  }
  if (!step.model.empty()) return "model " + step.model + " as its variant " + step.variant;
  if (step.threads == 1) return "one thread";
  if (step.threads != 0) return std::to_string(step.threads) + " threads";
  return "requests of priority " + std::to_string(step.shed) + " and larger numbers refused";
}

}  // namespace inferd::host
