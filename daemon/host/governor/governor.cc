// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/governor/governor.h"

#include <chrono>
#include <span>
#include <utility>

#include "daemon/telemetry/log.h"

namespace inferd::host {
namespace {

using Clock = std::chrono::steady_clock;
using Move = Decision::Move;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

Governor::Governor(config::GovernorConfig config, std::function<Machine()> look, Governed& governed)
    : config_(std::move(config)), look_(std::move(look)), governed_(governed), decider_(config_) {
  for (const config::GovernorStep& step : config_.steps)
    state_.steps.emplace_back().what = text_of(step);
}

void Governor::start() {
  thread_ = std::thread([this] { run(); });
}

void Governor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

GovernorState Governor::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

// Not watched as other threads are (telemetry/worker.h): a sensor that hangs must not restart a
// daemon that works, and a step may wait for a pipeline to end.
void Governor::run() {
  const auto every =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(config_.every_s));
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const std::vector<Signal> signals = judge(look_(), config_);
    act(decider_.next(signals, now_ns()));
    lock.lock();
    changed_.wait_for(lock, every, [&] { return stopping_; });
  }
}

void Governor::act(const Decision& decision) {
  if (decision.move == Move::kNone) return;
  const bool up = decision.move == Move::kUp;
  Status done;
  bool was_vain = false;
  if (up) {
    done = governed_.check(config_.steps[decision.step]);
    was_vain = !done.ok();
  } else {
    const std::lock_guard lock(mutex_);
    was_vain = !state_.steps[decision.step].vain.empty();
  }
  // Also of one that is in vain: what it is about may have come back by the next decision.
  const std::span<const config::GovernorStep> steps = config_.steps;
  const Status applied =
      governed_.apply(settings_of(steps.first(decider_.level())), decision.reason);
  if (done.ok()) done = applied;
  if (was_vain) decider_.was_vain();
  {
    const std::lock_guard lock(mutex_);
    GovernorState::Step& step = state_.steps[decision.step];
    step.taken = up;
    step.vain = up && was_vain ? done.message() : "";
    ++(up ? step.ups : step.downs);
    state_.level = decider_.level();
    state_.reason = decision.reason;
  }
  say(decision, done);
}

void Governor::say(const Decision& decision, const Status& done) {
  const bool up = decision.move == Move::kUp;
  const config::GovernorStep& step = config_.steps[decision.step];
  const telemetry::About about{.model = step.model, .pipeline = step.pipeline};
  const std::string title = "governor: step " + std::to_string(decision.step + 1) + " of " +
                            std::to_string(config_.steps.size()) + " (" + text_of(step) + ") is " +
                            (up ? "taken" : "taken back") + ", because " + decision.reason;
  telemetry::log(up ? LogLevel::kWarning : LogLevel::kInfo, title, about);
  if (!done.ok())
    telemetry::log(LogLevel::kWarning,
                   "governor: that does not do all it should: " + done.message(), about);
}

void add_metrics(const GovernorState& state, telemetry::MetricsPage& page) {
  page.gauge("inferd_governor_level", "Steps of the governor that are taken now", {},
             static_cast<double>(state.level));
  page.gauge("inferd_governor_steps", "Steps that it could take", {},
             static_cast<double>(state.steps.size()));
  for (size_t i = 0; i < state.steps.size(); ++i) {
    const GovernorState::Step& step = state.steps[i];
    const std::pair<const char*, uint64_t> counts[] = {{"up", step.ups}, {"down", step.downs}};
    for (const auto& [direction, count] : counts) {
      page.counter("inferd_governor_decisions_total", "Steps that were taken, and taken back",
                   {{"step", std::to_string(i + 1)}, {"what", step.what}, {"direction", direction}},
                   static_cast<double>(count));
    }
  }
}

}  // namespace inferd::host
