// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/arbiter.h"

#include <algorithm>

namespace inferd::schedule {

bool Arbiter::before(const Account& a, const Account& b) {
  if (a.real_time_ || b.real_time_) return a.real_time_ && !b.real_time_;
  return a.clock_ns_ < b.clock_ns_;
}

void Arbiter::start(Account& account) {
  account.clock_ns_ = std::max(account.clock_ns_, clock_ns_);
  if (!account.real_time_) clock_ns_ = account.clock_ns_;
}

void Arbiter::enter(Account& account) {
  std::unique_lock lock(mutex_);
  if (free_ > 0) {
    --free_;
    return start(account);
  }
  // What it did not use while nobody of it waited is no credit.
  account.clock_ns_ = std::max(account.clock_ns_, clock_ns_);
  Ticket ticket{&account};
  waiting_.push_back(&ticket);
  changed_.wait(lock, [&] { return ticket.called; });
  start(account);
}

bool Arbiter::try_enter(Account& account) {
  const std::lock_guard lock(mutex_);
  if (free_ == 0) return false;
  --free_;
  start(account);
  return true;
}

bool Arbiter::leave(Account& account, int64_t ns, bool wants_more) {
  const std::lock_guard lock(mutex_);
  account.clock_ns_ += static_cast<double>(ns) / account.weight_;
  if (waiting_.empty()) {
    if (!wants_more) ++free_;
    return wants_more;
  }
  const auto next = std::min_element(
      waiting_.begin(), waiting_.end(),
      [](const Ticket* a, const Ticket* b) { return before(*a->account, *b->account); });
  if (wants_more && before(account, *(*next)->account)) {
    start(account);
    return true;
  }
  (*next)->called = true;
  waiting_.erase(next);
  changed_.notify_all();
  return false;
}

int Arbiter::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(waiting_.size());
}

}  // namespace inferd::schedule
