// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/deployment.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "daemon/config/client_name.h"
#include "daemon/models/deploy/one_run.h"
#include "daemon/models/deploy/self_test.h"
#include "daemon/models/deploy/text.h"
#include "daemon/models/store/wall_clock.h"
#include "daemon/telemetry/log.h"

namespace inferd::models {
namespace {

constexpr std::chrono::milliseconds kBetweenChecks{20};
constexpr uint64_t kEnoughAnswers = 20;  // to judge by what share of them is wrong
constexpr uint64_t kEnoughRuns = 10;     // to judge by their time
constexpr int64_t kRunTimeoutMs = 60'000;

Result<CanaryShare> canary_share(const Rollout& rollout) {
  CanaryShare share;
  share.fraction = rollout.canary_fraction;
  for (const std::string& name : rollout.canary_clients) {
    auto key = config::client_key(name);
    if (!key.ok()) return key.status().with_context("client '" + name + "' of the canary");
    share.clients.insert(*std::move(key));
  }
  return share;
}

bool is_ensemble(const ModelVersion& version) { return !version.config.ensemble.steps.empty(); }

}  // namespace

Deployment::Deployment(DeploymentOptions options, const config::DeploymentsConfig& config,
                       DeployableRepository& repository, Store& store)
    : options_(std::move(options)), config_(config), repository_(repository), store_(store) {
  status_.id = options_.id;
  status_.versions = options_.versions;
  status_.begun_ms = wall_clock_ms();
  for (const ModelAndVersion& version : options_.versions) {
    candidates_.emplace_back().version = version;
    const auto serves = repository_.current(version.model);
    status_.replaces.push_back(serves == nullptr || options_.is_resumed ? 0 : serves->version);
  }
  thread_ = std::thread([this] {
    run();
    candidates_.clear();  // what is known of it stays, what it held does not
    is_over_ = true;
  });
}

Deployment::~Deployment() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void Deployment::give_thread_back() {
  if (is_over_ && thread_.joinable()) thread_.join();
}

// ---- Seen and controlled from outside ----

DeploymentStatus Deployment::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

DeploymentStatus Deployment::wait(uint64_t revision, int64_t timeout_ms) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return status_.revision != revision; });
  return status_;
}

Status Deployment::promote() {
  const std::lock_guard lock(mutex_);
  if (status_.state != DeploymentState::kRunning)
    return failed_precondition("deployment " + status_.id + " has ended");
  wish_ = Wish::kPromote;
  changed_.notify_all();
  return ok_status();
}

Status Deployment::roll_back(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (status_.state != DeploymentState::kRunning)
    return failed_precondition("deployment " + status_.id + " has ended");
  wish_ = Wish::kRollBack;
  wish_reason_ = reason;
  changed_.notify_all();
  return ok_status();
}

void Deployment::stop() {
  const std::lock_guard lock(mutex_);
  wish_ = Wish::kStop;
  changed_.notify_all();
}

bool Deployment::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return wish_ == Wish::kStop;
}

void Deployment::begin(Step step) {
  end_step();
  step_began_ = Clock::now();
  const std::lock_guard lock(mutex_);
  status_.steps.push_back({step, -1, ""});
  ++status_.revision;
  changed_.notify_all();
}

void Deployment::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (status_.steps.back().note == text) return;
  status_.steps.back().note = text;
  ++status_.revision;
  changed_.notify_all();
}

void Deployment::end_step() {
  using std::chrono::microseconds;
  const auto took = std::chrono::duration_cast<microseconds>(Clock::now() - step_began_).count();
  const std::lock_guard lock(mutex_);
  if (status_.steps.empty() || status_.steps.back().took_us >= 0) return;
  status_.steps.back().took_us = took;
  ++status_.revision;
  changed_.notify_all();
}

void Deployment::end(DeploymentState state, const std::string& reason) {
  end_step();
  std::string line = "deployment " + options_.id + " of";
  for (const ModelAndVersion& version : versions()) line += " " + name_of(version) + ",";
  line.back() = ' ';
  line += "is " + std::string(kDeploymentStates[static_cast<size_t>(state)]);
  if (!reason.empty()) line += ": " + reason;
  telemetry::log(state == DeploymentState::kDone ? LogLevel::kInfo : LogLevel::kWarning, line);
  const std::lock_guard lock(mutex_);
  status_.state = state;
  status_.reason = reason;
  status_.ended_ms = wall_clock_ms();
  ++status_.revision;
  changed_.notify_all();
}

std::vector<ModelAndVersion> Deployment::versions() const {
  std::vector<ModelAndVersion> versions;
  for (const Candidate& candidate : candidates_) versions.push_back(candidate.version);
  return versions;
}

Rollout Deployment::rollout_of(const Candidate& candidate) const {
  config::RolloutConfig said = candidate.made->config.rollout;
  said = config::merge(said, options_.wanted);
  return Rollout(config::merge(config_.rollout, said));
}

// ---- From step to step ----

void Deployment::run() {
  if (!options_.is_resumed) {
    Status status = before_it_serves();
    stop_watching();
    // What is tried out stays so until it is published: sequences may have begun on it.
    if (status.ok()) status = publish();
    if (!status.ok()) {
      for (const Candidate& candidate : candidates_)
        repository_.try_out(candidate.version.model, nullptr, {});
      if (is_stopping()) return;  // nothing has changed; who wants it asks again
      const Status refused = store_.refuse(versions(), status.message());
      if (!refused.ok()) telemetry::log(LogLevel::kWarning, refused.message());
      return end(DeploymentState::kRefused, status.message());
    }
    drain();
  }
  Status status = options_.is_resumed ? resume() : ok_status();
  if (status.ok()) status = probation();
  stop_watching();
  if (is_stopping()) return;
  if (status.ok()) {
    finish();
  } else {
    take_back(status);
  }
}

// Of those that serve together or not at all, one may not have been loaded again.
Status Deployment::resume() {
  for (Candidate& candidate : candidates_) {
    candidate.made = repository_.current(candidate.version.model);
    if (candidate.made != nullptr && candidate.made->version == candidate.version.version) continue;
    return unavailable(name_of(candidate.version) + " could not be loaded after a restart");
  }
  for (Candidate& candidate : candidates_) watch(candidate);
  return ok_status();
}

Status Deployment::before_it_serves() {
  INFERD_RETURN_IF_ERROR(receive());
  INFERD_RETURN_IF_ERROR(verify());
  INFERD_RETURN_IF_ERROR(load());
  INFERD_RETURN_IF_ERROR(warm_up());
  INFERD_RETURN_IF_ERROR(self_test());
  INFERD_RETURN_IF_ERROR(shadow());
  return canary();
}

Status Deployment::receive() {
  if (options_.uploads.empty()) return ok_status();
  begin(Step::kReceive);
  for (const std::string& upload : options_.uploads) {
    INFERD_ASSIGN_OR_RETURN(const ModelAndVersion version, store_.stage(upload));
    const auto known = versions();
    if (std::find(known.begin(), known.end(), version) == known.end()) {
      return internal_error("upload " + upload + " became " + name_of(version));
    }
  }
  return ok_status();
}

Status Deployment::verify() {
  begin(Step::kVerify);
  for (Candidate& candidate : candidates_) {
    if (store_.decided(candidate.version.model).pinned) {
      return failed_precondition("model '" + candidate.version.model +
                                 "' is pinned; unpin it first (inferctl model unpin)");
    }
    INFERD_ASSIGN_OR_RETURN(candidate.verified, store_.verify(candidate.version));
  }
  return ok_status();
}

Status Deployment::load() {
  begin(Step::kLoad);
  for (Candidate& candidate : candidates_) {
    candidate.old = repository_.current(candidate.version.model);
    if (candidate.old != nullptr) {
      // For comparison, while there is time.
      candidate.old_watch = std::make_shared<Watch>(true);
      candidate.old->watching->watch(candidate.old_watch);
    }
    INFERD_ASSIGN_OR_RETURN(candidate.made,
                            repository_.prepare(candidate.version, &*candidate.verified));
    INFERD_RETURN_IF_ERROR(repository_.check_fits(*candidate.made));
    INFERD_ASSIGN_OR_RETURN(candidate.canary, canary_share(rollout_of(candidate)));
    if (is_stopping()) return unavailable("the daemon stops");
  }
  return ok_status();
}

// Of a model that makes nothing of zeros, only real requests tell.
Status Deployment::warm_up() {
  begin(Step::kWarmUp);
  constexpr int kRuns = 3;
  std::string text;
  for (Candidate& candidate : candidates_) {
    if (candidate.old != nullptr)
      candidate.old_element_ns = element_ns(candidate.old->queue->statistics(), {});
    if (is_ensemble(*candidate.made)) continue;
    int64_t fastest = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < kRuns; ++i) {
      const auto run =
          run_once(candidate.made, blank_inputs(*candidate.made->model), kRunTimeoutMs);
      if (run.status().code() == StatusCode::kDeadlineExceeded) return run.status();
      if (run.ok()) fastest = std::min(fastest, run->compute_ns);
    }
    const bool ran = fastest != std::numeric_limits<int64_t>::max();
    add(text, candidate.version.model +
                  (ran ? ": " + milliseconds(static_cast<double>(fastest)) + " a run"
                       : ": makes nothing of zeros"));
  }
  note(text);
  return ok_status();
}

Status Deployment::self_test() {
  std::string text;
  bool any = false;
  for (const Candidate& candidate : candidates_) {
    const std::string folder = store_.folder(candidate.version);
    const std::vector<std::string> cases = self_test_cases(folder);
    if (cases.empty()) continue;
    if (!any) begin(Step::kSelfTest);
    any = true;
    for (const std::string& name : cases) {
      INFERD_RETURN_IF_ERROR(
          run_self_test(candidate.made, folder, name, rollout_of(candidate).tolerance)
              .with_context("model '" + candidate.version.model + "'"));
    }
    add(text, candidate.version.model + ": " + std::to_string(cases.size()) + " passed");
  }
  if (any) note(text);
  return ok_status();
}

Status Deployment::publish() {
  begin(Step::kPublish);
  {
    const std::lock_guard lock(mutex_);
    if (wish_ == Wish::kRollBack) return cancelled(wish_reason_);
    if (wish_ == Wish::kStop) return unavailable("the daemon stops");
  }
  std::vector<Store::Change> changes;
  std::vector<std::shared_ptr<const ModelVersion>> made;
  bool has_probation = false;
  for (const Candidate& candidate : candidates_) {
    // It may have been loaded again meanwhile.
    const auto old = repository_.current(candidate.version.model);
    changes.push_back({candidate.version, old == nullptr ? 0 : old->version});
    made.push_back(candidate.made);
    has_probation = has_probation || rollout_of(candidate).probation_s > 0;
  }
  // On the disk first: what has served must serve after a power cut.
  if (!options_.rolls_back.empty()) {
    // What is decided, which may be another one than serves, when that could not be loaded.
    std::vector<ModelAndVersion> given_up;
    given_up.reserve(changes.size());
    for (const Store::Change& change : changes)
      given_up.push_back({change.version.model, store_.decided(change.version.model).current});
    INFERD_RETURN_IF_ERROR(store_.roll_back(given_up, options_.rolls_back).status());
  } else {
    INFERD_RETURN_IF_ERROR(store_.publish(changes, has_probation ? options_.id : ""));
  }
  if (has_probation) {
    for (Candidate& candidate : candidates_) watch(candidate);  // from the first answer on
  }
  step_began_ = Clock::now();  // what is measured is the change itself
  return repository_.publish(made);
}

// Sequences go on where they began, for a while.
void Deployment::drain() {
  begin(Step::kDrain);
  const auto until = Clock::now() + std::chrono::milliseconds(config_.drain_timeout_ms);
  for (;;) {
    int64_t left = 0;
    const bool late = Clock::now() >= until || is_stopping();
    for (const Candidate& candidate : candidates_)
      left += repository_.release(candidate.version.model, late);
    if (left == 0) return;
    note(std::to_string(left) + " sequences are open in the old version");
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kBetweenChecks, [&] { return wish_ == Wish::kStop; });
  }
}

Status Deployment::probation() {
  double seconds = 0;
  for (const Candidate& candidate : candidates_)
    seconds = std::max(seconds, rollout_of(candidate).probation_s);
  if (seconds <= 0) {
    // What was wished while sequences ended.
    const std::lock_guard lock(mutex_);
    return wish_ == Wish::kRollBack ? cancelled(wish_reason_) : ok_status();
  }
  begin(Step::kProbation);
  const auto check = [&] {
    note(summary());
    for (Candidate& candidate : candidates_) INFERD_RETURN_IF_ERROR(judge(candidate));
    return ok_status();
  };
  return wait_and_check(seconds, check, [] { return false; });
}

void Deployment::finish() {
  const Status settled = store_.settle(versions());
  if (!settled.ok()) telemetry::log(LogLevel::kWarning, settled.message());
  for (Candidate& candidate : candidates_) candidate.old.reset();
  end(DeploymentState::kDone, "");
  store_.collect(repository_.in_memory());
}

// The old versions are still in memory, but after a restart.
void Deployment::take_back(const Status& why) {
  const auto serve = store_.roll_back(versions(), why.message());
  if (!serve.ok()) telemetry::log(LogLevel::kError, serve.status().message());
  std::vector<std::shared_ptr<const ModelVersion>> old;
  std::string reason = why.message();
  for (size_t i = 0; i < candidates_.size(); ++i) {
    Candidate& candidate = candidates_[i];
    const int64_t wanted = serve.ok() ? (*serve)[i].version : 0;
    if (candidate.old != nullptr && (wanted == 0 || candidate.old->version == wanted)) {
      old.push_back(std::move(candidate.old));
      continue;
    }
    const auto serves = repository_.current(candidate.version.model);
    if (serves != nullptr && serves->version == wanted) continue;
    auto loaded = repository_.prepare({candidate.version.model, 0}, nullptr);
    if (loaded.ok()) {
      old.push_back(*loaded);
    } else {
      add(reason, std::string("and there is nothing to go back to") +
                      (serves != nullptr ? ", so it goes on serving: " : ": ") +
                      loaded.status().message());
    }
  }
  if (const Status published = repository_.publish(old); !published.ok())
    telemetry::log(LogLevel::kError, published.message());
  for (const ModelAndVersion& version : versions()) repository_.release(version.model, true);
  end(DeploymentState::kRolledBack, reason);
}

// ---- Waiting and judging ----

Status Deployment::wait_and_check(double seconds, const std::function<Status()>& check,
                                  const std::function<bool()>& enough) {
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
  for (;;) {
    INFERD_RETURN_IF_ERROR(check());
    if (enough() || Clock::now() >= until) return ok_status();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kBetweenChecks, [&] { return wish_ != Wish::kNone; });
    switch (wish_) {
      case Wish::kNone:
        break;
      case Wish::kPromote:
        wish_ = Wish::kNone;
        return ok_status();
      case Wish::kRollBack:
        return cancelled(wish_reason_);
      case Wish::kStop:
        return unavailable("the daemon stops");
    }
  }
}

void Deployment::watch(Candidate& candidate) {
  candidate.watch = std::make_shared<Watch>(rollout_of(candidate).check_outputs);
  candidate.before = candidate.made->queue->statistics();
  candidate.made->watching->watch(candidate.watch);
}

void Deployment::stop_watching() {
  for (const Candidate& candidate : candidates_) {
    if (candidate.old != nullptr) candidate.old->watching->watch(nullptr);
    if (candidate.made != nullptr) candidate.made->watching->watch(nullptr);
  }
}

Status Deployment::judge(Candidate& candidate) const {
  const Rollout rollout = rollout_of(candidate);
  const Watch::Counts counts = candidate.watch->counts();
  const std::string who = name_of(candidate.version);
  const auto answers = static_cast<double>(counts.answers);
  if (counts.not_finite > 0) {
    return data_loss(who + " gave NaN or infinity in " + std::to_string(counts.not_finite) +
                     " of " + std::to_string(counts.answers) + " answers");
  }
  if (counts.answers >= kEnoughAnswers || counts.failures >= kEnoughAnswers / 2) {
    if (static_cast<double>(counts.failures) > rollout.max_error_rate * answers) {
      return data_loss(who + " failed in " +
                       percent(static_cast<double>(counts.failures), answers) + " of " +
                       std::to_string(counts.answers) + " requests, " +
                       percent(rollout.max_error_rate, 1) + " are allowed");
    }
    const bool had_content =
        candidate.old_watch != nullptr &&
        candidate.old_watch->counts().answers > candidate.old_watch->counts().empty;
    if (rollout.check_outputs && had_content && counts.empty == counts.answers) {
      return data_loss(who + " gave nothing but zeros in " + std::to_string(counts.answers) +
                       " answers, which the version before did not");
    }
  }
  const schedule::QueueStatistics now = candidate.made->queue->statistics();
  const double takes = element_ns(now, candidate.before), took = candidate.old_element_ns;
  // Of what is over in no time, the ratio says nothing.
  constexpr double kNothingNs = 200'000;
  if (executions(now, candidate.before) < kEnoughRuns || took <= 0) return ok_status();
  if (takes <= std::max(rollout.max_slowdown * took, took + kNothingNs)) return ok_status();
  return data_loss(who + " takes " + milliseconds(takes) + " for what took " + milliseconds(took) +
                   " before, more than " + percent(rollout.max_slowdown, 1) + " of it");
}

std::string Deployment::summary() const {
  std::string text;
  for (const Candidate& candidate : candidates_) {
    if (candidate.watch == nullptr) continue;
    const Watch::Counts counts = candidate.watch->counts();
    const double takes = element_ns(candidate.made->queue->statistics(), candidate.before);
    add(text, candidate.version.model + ": " + std::to_string(counts.answers) + " answers, " +
                  std::to_string(counts.failures) + " failed" +
                  (takes > 0 ? ", " + milliseconds(takes) + " each" : ""));
    if (takes > 0 && candidate.old_element_ns > 0)
      text += " (before: " + milliseconds(candidate.old_element_ns) + ")";
  }
  return text;
}

}  // namespace inferd::models
