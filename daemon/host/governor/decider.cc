// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/governor/decider.h"

#include <algorithm>

namespace inferd::host {
namespace {

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

std::string reason_of(std::span<const Signal> signals, Signal::Level level) {
  std::string reason;
  for (const Signal& signal : signals) {
    if (signal.level == level) reason += (reason.empty() ? "" : ", ") + signal.says;
  }
  return reason.empty() ? "no sensor says anything any more" : reason;
}

// Since when it is so without interruption.
void follow(bool is, int64_t now_ns, std::optional<int64_t>& since) {
  if (!is) {
    since.reset();
  } else if (!since) {
    since = now_ns;
  }
}

}  // namespace

Decider::Decider(const config::GovernorConfig& config)
    : steps_(config.steps.size()),
      hold_ns_(nanoseconds(config.hold_s)),
      release_ns_(nanoseconds(config.release_s)) {}

bool Decider::has_lasted(const std::optional<int64_t>& since, int64_t ns, int64_t now_ns) const {
  return since && now_ns - *since >= ns && (!changed_at_ || now_ns - *changed_at_ >= ns);
}

Decision Decider::next(std::span<const Signal> signals, int64_t now_ns) {
  const auto is = [](Signal::Level level) {
    return [level](const Signal& signal) { return signal.level == level; };
  };
  const bool high = std::any_of(signals.begin(), signals.end(), is(Signal::Level::kHigh));
  const bool low = std::all_of(signals.begin(), signals.end(), is(Signal::Level::kLow));
  follow(high, now_ns, high_since_);
  follow(low, now_ns, low_since_);
  Decision decision;
  if (level_ < steps_ && has_lasted(high_since_, hold_ns_, now_ns)) {
    decision = {Decision::Move::kUp, level_++, reason_of(signals, Signal::Level::kHigh)};
  } else if (level_ > 0 && has_lasted(low_since_, release_ns_, now_ns)) {
    decision = {Decision::Move::kDown, --level_, reason_of(signals, Signal::Level::kLow)};
  } else {
    return decision;
  }
  changed_at_ = now_ns;
  return decision;
}

}  // namespace inferd::host
