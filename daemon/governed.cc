// SPDX-License-Identifier: Apache-2.0
#include "daemon/governed.h"

#include <utility>

#include "daemon/models/variants.h"

namespace inferd {

Status Governed::check(const config::GovernorStep& step) {
  pipeline::Restraint restraint;
  if (!step.pipeline.empty()) restraint.max_fps[step.pipeline] = step.max_fps;
  if (!step.model.empty()) {
    INFERD_ASSIGN_OR_RETURN(restraint.models[step.model],
                            models::find_variant(repository_, step.model, step.variant));
  }
  if (step.threads >= threads_)
    return failed_precondition("the engine has no more than " + std::to_string(threads_) +
                               " threads anyway");
  return pipelines_.check(restraint);
}

Status Governed::apply(const host::Settings& settings, const std::string& why) {
  models::Restraint restraint;
  restraint.threads = settings.threads;
  restraint.shed_from = settings.shed;
  restraint.why = why;
  std::string errors;
  for (const auto& [model, name] : settings.variants) {
    auto variant = models::find_variant(repository_, model, name);
    if (variant.ok()) {
      restraint.variants[model] = *std::move(variant);
    } else {
      errors += (errors.empty() ? "" : "\n") + variant.status().message();
    }
  }
  repository_.restrain(restraint);
  const Status pipelines = pipelines_.restrain({settings.max_fps, restraint.variants});
  if (!pipelines.ok()) errors += (errors.empty() ? "" : "\n") + pipelines.message();
  return errors.empty() ? ok_status() : failed_precondition(errors);
}

Status check_steps(const config::GovernorConfig& governor, Governed& governed) {
  std::string errors;
  for (const config::GovernorStep& step : governor.steps) {
    const Status good = governed.check(step);
    if (good.ok()) continue;
    errors += (errors.empty() ? "" : "\n") + step.mark.to_string() + ": " + good.message();
  }
  return errors.empty() ? ok_status() : invalid_argument(errors);
}

}  // namespace inferd
