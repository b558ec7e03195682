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
  if (free_ <= 0) return false;
  --free_;
  start(account);
  return true;
}

bool Arbiter::leave(Account& account, int64_t ns, bool wants_more) {
  const std::lock_guard lock(mutex_);
  account.clock_ns_ += static_cast<double>(ns) / account.weight_;
  if (free_ < 0) {
    ++free_;  // there are fewer places now
    return false;
  }
  if (waiting_.empty()) {
    if (!wants_more) ++free_;
    return wants_more;
  }
  const auto first = next();
  if (wants_more && before(account, *(*first)->account)) {
    start(account);
    return true;
  }
  call(first);
  return false;
}

std::list<Arbiter::Ticket*>::iterator Arbiter::next() {
  return std::min_element(waiting_.begin(), waiting_.end(), [](const Ticket* a, const Ticket* b) {
    return before(*a->account, *b->account);
  });
}

// Gives a place to who waits with this ticket.
void Arbiter::call(std::list<Ticket*>::iterator next) {
  (*next)->called = true;
  waiting_.erase(next);
  changed_.notify_all();
}

void Arbiter::set_places(int places) {
  const std::lock_guard lock(mutex_);
  free_ += places - places_;
  places_ = places;
  for (; free_ > 0 && !waiting_.empty(); --free_) call(next());
}

int Arbiter::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(waiting_.size());
}

}  // namespace inferd::schedule
