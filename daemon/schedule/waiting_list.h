// SPDX-License-Identifier: Apache-2.0
//
// The requests of one model that wait, by priority. No locks and no clock: the queue has both.
#pragma once

#include <list>
#include <map>
#include <utility>
#include <vector>

#include "daemon/schedule/queue_options.h"
#include "daemon/schedule/request.h"
#include "inferd/engine/engine.h"

namespace inferd::schedule {

struct Waiting {
  Request request;
  int64_t arrived = 0;
  int64_t timeout_at = 0;  // 0: never
  int level = 1;           // of priority
  int batch = 1;           // elements of this request
  State* state = nullptr;  // of its sequence, from when it is taken to run
};

// Elements of its lists are used again: a list in use allocates nothing.
class WaitingList {
 public:
  // The options outlive the list.
  explicit WaitingList(const QueueOptions& options);

  // RESOURCE_EXHAUSTED: no room in the queue, in its level, or for its client.
  Status check_room(const Request& request) const;

  // Whether there is room was checked before. `now` is when it arrives.
  void push(Request request, int batch, int64_t now);

  // In the order in which they run: by level, in each those that wait in time before those that
  // wait beyond it, the oldest first. `visit` says of each Waiting what becomes of it.
  enum class Verdict { kKeep, kTake, kStop };
  template <typename Visit>
  void scan(std::vector<Waiting>& taken, Visit visit) {
    for (Level& level : levels_) {
      for (std::list<Waiting>* list : {&level.in_time, &level.late}) {
        for (auto it = list->begin(); it != list->end();) {
          const auto at = it++;
          const Verdict verdict = visit(std::as_const(*at));
          if (verdict == Verdict::kStop) return;
          if (verdict == Verdict::kTake) taken.push_back(take(level, *list, at));
        }
      }
    }
  }

  // Moves those whose time in the queue is over behind the others of their level, or to `refused`.
  void expire(int64_t now, std::vector<Waiting>& refused);

  void clear(std::vector<Waiting>& taken);
  bool empty() const { return size_ == 0; }
  int size() const { return size_; }
  int64_t elements() const { return elements_; }  // of all their batches

 private:
  // By its priority: 0 is the default, one beyond the last is the last.
  int level_of(const Request& request) const;

  struct Level {
    std::list<Waiting> in_time, late;
    int size = 0;
  };
  Waiting take(Level& level, std::list<Waiting>& list, std::list<Waiting>::iterator at);

  const QueueOptions& options_;
  std::vector<Level> levels_;
  std::list<Waiting> spare_;
  std::map<uint64_t, int> of_client_;
  int size_ = 0;
  int64_t elements_ = 0;
};

}  // namespace inferd::schedule
