// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/sequences.h"

#include <algorithm>

namespace inferd::schedule {

namespace {

Status not_open(const Sequence& sequence) {
  return invalid_argument("sequence '" + sequence.id +
                          "' is not open: its first request must say sequence_start, also after "
                          "its end and when it was idle for too long");
}

}  // namespace

Status Sequences::check_open(const Entry& entry, const Sequence& sequence) {
  return entry.ends && !sequence.start ? not_open(sequence) : ok_status();
}

Status Sequences::check_new(const Sequence& sequence) const {
  if (!sequence.start) return not_open(sequence);
  if (open_.size() < static_cast<size_t>(most_)) return ok_status();
  return resource_exhausted(std::to_string(most_) +
                            " sequences are open; end one, or allow more (max_sequences)");
}

void Sequences::forget_idle(int64_t now) {
  std::erase_if(open_, [&](const auto& item) { return is_idle(item.second, now); });
}

int64_t Sequences::size(int64_t now) const {
  return std::count_if(open_.begin(), open_.end(),
                       [&](const auto& item) { return !is_idle(item.second, now); });
}

bool Sequences::is_running(const Sequence& sequence) const {
  const auto found = open_.find(sequence.id);
  return found != open_.end() && found->second.running;
}

bool Sequences::is_next(const Sequence& sequence) {
  const auto found = open_.find(sequence.id);
  if (found == open_.end()) return true;
  Entry& entry = found->second;
  const bool first = entry.scanned != scan_;
  entry.scanned = scan_;
  return first && !entry.running;
}

void Sequences::end(std::string_view id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  found->second.ends = true;
  if (found->second.waiting == 0) open_.erase(found);
}

bool Sequences::is_open(std::string_view id, int64_t now) const {
  const auto found = open_.find(id);
  if (found == open_.end()) return false;
  const Entry& entry = found->second;
  return !entry.ends && !is_idle(entry, now);
}

State* Sequences::begin(const Sequence& sequence) {
  if (sequence.id.empty()) return nullptr;
  Entry& entry = open_.at(sequence.id);
  entry.running = true;
  if (sequence.start) entry.state->reset();
  return entry.state.get();
}

void Sequences::finish(const Sequence& sequence, bool begun, int64_t now) {
  if (sequence.id.empty()) return;
  const auto found = open_.find(sequence.id);
  Entry& entry = found->second;
  if (begun) entry.running = false;
  --entry.waiting;
  entry.last_ns = now;
  // Also where its last request was refused: nothing of it will come.
  if (entry.ends && entry.waiting == 0) open_.erase(found);
}

}  // namespace inferd::schedule
