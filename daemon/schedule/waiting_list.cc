// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/waiting_list.h"

#include <algorithm>
#include <string>

namespace inferd::schedule {

WaitingList::WaitingList(const QueueOptions& options)
    : options_(options), levels_(static_cast<size_t>(options.priority_levels)) {}

int WaitingList::level_of(const Request& request) const {
  int priority = request.sequence.id.empty() ? request.priority : 0;
  if (priority == 0) priority = options_.default_priority;
  return priority == 0 ? options_.priority_levels : std::min(priority, options_.priority_levels);
}

Status WaitingList::check_room(const Request& request) const {
  if (size_ >= options_.max_queue) {
    return resource_exhausted("full (" + std::to_string(size_) + " requests)");
  }
  const int level = level_of(request);
  const int room = options_.policy(level).max_queue;
  if (levels_[static_cast<size_t>(level - 1)].size >= room) {
    return resource_exhausted("full for priority " + std::to_string(level) + " (" +
                              std::to_string(room) + " requests)");
  }
  if (options_.max_queue_per_client == 0 || request.client == 0) return ok_status();
  const auto found = of_client_.find(request.client);
  if (found == of_client_.end() || found->second < options_.max_queue_per_client) {
    return ok_status();
  }
  return resource_exhausted("full for this client (" +
                            std::to_string(options_.max_queue_per_client) + " requests)");
}

void WaitingList::push(Request request, int batch, int64_t now) {
  const int number = level_of(request);
  Level& level = levels_[static_cast<size_t>(number - 1)];
  const QueuePolicy& policy = options_.policy(number);
  int64_t timeout_us = policy.timeout_us;
  if (policy.allow_timeout_override && request.timeout_us > 0) {
    timeout_us = timeout_us == 0 ? request.timeout_us : std::min(timeout_us, request.timeout_us);
  }
  if (spare_.empty()) spare_.emplace_back();
  const int64_t timeout_at = timeout_us == 0 ? 0 : now + timeout_us * 1000;
  if (options_.max_queue_per_client != 0 && request.client != 0) ++of_client_[request.client];
  spare_.front() = {std::move(request), now, timeout_at, number, batch};
  level.in_time.splice(level.in_time.end(), spare_, spare_.begin());
  ++level.size;
  ++size_;
  elements_ += batch;
}

Waiting WaitingList::take(Level& level, std::list<Waiting>& list, std::list<Waiting>::iterator at) {
  Waiting waiting = std::move(*at);
  *at = {};
  spare_.splice(spare_.begin(), list, at);
  --level.size;
  --size_;
  elements_ -= waiting.batch;
  const auto client = of_client_.find(waiting.request.client);
  if (client != of_client_.end() && --client->second == 0) of_client_.erase(client);
  return waiting;
}

void WaitingList::expire(int64_t now, std::vector<Waiting>& refused) {
  for (Level& level : levels_) {
    for (auto it = level.in_time.begin(); it != level.in_time.end();) {
      const auto at = it++;
      if (at->timeout_at == 0 || at->timeout_at > now) continue;
      // A sequence must not change its order.
      if (options_.policy(at->level).delay_on_timeout && at->request.sequence.id.empty()) {
        level.late.splice(level.late.end(), level.in_time, at);
      } else {
        refused.push_back(take(level, level.in_time, at));
      }
    }
  }
}

void WaitingList::clear(std::vector<Waiting>& taken) {
  scan(taken, [](const Waiting&) { return Verdict::kTake; });
}

}  // namespace inferd::schedule
