// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/join.h"

#include <algorithm>
#include <cstdlib>

namespace inferd::pipeline {

Join::Join(const JoinOptions& options)
    : options_(options), others_(options.inputs - 1), closed_(options.inputs, false) {
  for (auto& kept : others_) kept.reserve(kKept);
}

Join::Put Join::put(size_t input, Ref<Packet> packet) {
  Waiting replaced;  // goes after the lock
  std::unique_lock lock(mutex_);
  if (input > 0) {
    std::vector<Ref<Packet>>& kept = others_[input - 1];
    if (closed_[input]) return Put::kClosed;
    if (kept.size() == kKept) kept.erase(kept.begin());
    kept.push_back(std::move(packet));
    changed_.notify_all();
    return Put::kTaken;
  }
  const auto full = [&] { return first_.size() >= options_.queue; };
  if (!options_.latest_wins) changed_.wait(lock, [&] { return !full() || closed_[0]; });
  if (closed_[0]) return Put::kClosed;
  Put put = Put::kTaken;
  if (full()) {
    replaced = std::move(first_.front());
    first_.pop_front();
    put = Put::kReplaced;
  }
  first_.push_back({std::move(packet), schedule::now_ns() + options_.wait_ns});
  changed_.notify_all();
  return put;
}

void Join::close(size_t input) {
  const std::lock_guard lock(mutex_);
  closed_[input] = true;
  changed_.notify_all();
}

void Join::close() {
  const std::lock_guard lock(mutex_);
  closed_.assign(closed_.size(), true);
  changed_.notify_all();
}

bool Join::decided(const Waiting& waiting, int64_t now) const {
  if (now >= waiting.until_ns) return true;
  for (size_t i = 0; i < others_.size(); ++i) {
    const bool later_came = !others_[i].empty() && others_[i].back()->frame->capture_ns >=
                                                       waiting.packet->frame->capture_ns;
    if (!later_came && !closed_[i + 1]) return false;
  }
  return true;
}

// Forgets what was before the nearest: later packets have later ones.
bool Join::match(const Packet& packet, std::vector<Ref<Packet>>& joined) {
  joined.clear();
  bool all = true;
  for (auto& kept : others_) {
    const auto distance = [&](const Ref<Packet>& other) {
      return std::abs(other->frame->capture_ns - packet.frame->capture_ns);
    };
    const auto nearest =
        std::min_element(kept.begin(), kept.end(),
                         [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
    if (nearest == kept.end() || distance(*nearest) > options_.tolerance_ns) {
      all = false;
      continue;
    }
    joined.push_back(*nearest);
    kept.erase(kept.begin(), nearest);
  }
  if (!all) joined.clear();
  return all;
}

bool Join::take(Ref<Packet>& packet, std::vector<Ref<Packet>>& joined, uint64_t& unmatched) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (first_.empty()) {
      if (closed_[0]) return false;
      changed_.wait(lock);
      continue;
    }
    const int64_t now = schedule::now_ns();
    if (!decided(first_.front(), now)) {
      changed_.wait_for(lock, std::chrono::nanoseconds(first_.front().until_ns - now));
      continue;
    }
    packet = std::move(first_.front().packet);
    first_.pop_front();
    changed_.notify_all();
    if (match(*packet, joined)) return true;
    ++unmatched;
    packet.reset();
  }
}

size_t Join::size() const {
  const std::lock_guard lock(mutex_);
  return first_.size();
}

}  // namespace inferd::pipeline
