// SPDX-License-Identifier: Apache-2.0
//
// The steps of a deployment in which versions see live requests before they serve.
#include <algorithm>
#include <utility>

#include "daemon/models/deploy/deployment.h"
#include "daemon/models/deploy/shadow.h"
#include "daemon/models/deploy/text.h"
#include "daemon/models/interface.h"

namespace inferd::models {
namespace {

// A version as the shadow of the one that serves.
struct Trial {
  ModelAndVersion version;
  Rollout rollout;
  std::shared_ptr<Shadow> shadow;
};

std::string summary_of(const std::vector<Trial>& trials) {
  std::string text;
  for (const Trial& trial : trials) {
    const Shadow::Counts counts = trial.shadow->counts();
    add(text, trial.version.model + ": " + std::to_string(counts.agreed) + " of " +
                  std::to_string(counts.compared) + " answers agree, " +
                  std::to_string(counts.skipped) + " were not compared");
    if (counts.compared > 0) {
      const auto compared = static_cast<double>(counts.compared);
      add(text, milliseconds(static_cast<double>(counts.answer_ns) / compared) + " now, " +
                    milliseconds(static_cast<double>(counts.shadow_ns) / compared) + " then");
    }
    if (!counts.difference.empty()) add(text, counts.difference);
  }
  return text;
}

bool has_seen_enough(const Trial& trial) {
  return trial.shadow->counts().compared >= static_cast<uint64_t>(trial.rollout.shadow_requests);
}

Status check_agreement(const Trial& trial) {
  const Shadow::Counts counts = trial.shadow->counts();
  const auto agreed = static_cast<double>(counts.agreed);
  const auto compared = static_cast<double>(counts.compared);
  if (agreed >= trial.rollout.min_agreement * compared) return ok_status();
  return data_loss("as a shadow, " + name_of(trial.version) + " agreed in " +
                   percent(agreed, compared) + " of " + std::to_string(counts.compared) +
                   " answers, " + percent(trial.rollout.min_agreement, 1) +
                   " are needed; the last difference: " + counts.difference);
}

// `what`: "a shadow".
Status check_takes_its_requests(const ModelVersion& old, const ModelVersion& made,
                                const char* what) {
  return check_same_interface(old.model->info(), made.model->info())
      .with_context(name_of({made.name, made.version}) + " cannot be " + what + ": it");
}

}  // namespace

Status Deployment::shadow() {
  std::vector<Trial> trials;
  double seconds = 0;
  for (Candidate& candidate : candidates_) {
    const Rollout rollout = rollout_of(candidate);
    if (rollout.shadow_fraction <= 0 || candidate.old == nullptr) continue;
    INFERD_RETURN_IF_ERROR(check_takes_its_requests(*candidate.old, *candidate.made, "a shadow"));
    auto shadow = std::make_shared<Shadow>(*candidate.old, candidate.made, rollout.shadow_fraction,
                                           rollout.tolerance);
    candidate.old->watching->watch(shadow);
    trials.push_back({candidate.version, rollout, std::move(shadow)});
    seconds = std::max(seconds, rollout.shadow_s);
  }
  if (trials.empty()) return ok_status();
  begin(Step::kShadow);
  const auto check = [&] {
    note(summary_of(trials));
    return ok_status();
  };
  const auto enough = [&] { return std::all_of(trials.begin(), trials.end(), has_seen_enough); };
  INFERD_RETURN_IF_ERROR(wait_and_check(seconds, check, enough));
  for (const Trial& trial : trials) INFERD_RETURN_IF_ERROR(check_agreement(trial));
  return ok_status();
}

Status Deployment::canary() {
  double seconds = 0;
  for (Candidate& candidate : candidates_) {
    const Rollout rollout = rollout_of(candidate);
    if (!rollout.has_canary() || candidate.old == nullptr) continue;
    INFERD_RETURN_IF_ERROR(check_takes_its_requests(*candidate.old, *candidate.made, "a canary"));
    seconds = std::max(seconds, rollout.canary_s);
  }
  if (seconds <= 0) return ok_status();
  begin(Step::kCanary);
  for (Candidate& candidate : candidates_) {
    if (!rollout_of(candidate).has_canary() || candidate.old == nullptr) continue;
    watch(candidate);
    repository_.try_out(candidate.version.model, candidate.made, candidate.canary);
  }
  const auto check = [&] {
    note(summary());
    for (Candidate& candidate : candidates_) {
      if (candidate.watch != nullptr) INFERD_RETURN_IF_ERROR(judge(candidate));
    }
    return ok_status();
  };
  return wait_and_check(seconds, check, [] { return false; });
}

}  // namespace inferd::models
