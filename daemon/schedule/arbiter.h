// SPDX-License-Identifier: Apache-2.0
//
// Who computes next, where the models of one daemon compete for the machine.
//
// There are as many places as runs make sense at one time. While one is free, whoever comes takes
// it. Else real-time models go first, in the order in which they came; the others share by weight:
// each has a virtual clock that its runs advance by their time divided by its weight, and the
// lowest clock is next (start-time fair queueing, Goyal, Vin, Cheng 1996). Who was idle starts at
// the clock of who is served now, so that idling saves nothing up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

namespace inferd::schedule {

// Thread-safe. Runs are not interrupted: a real-time model waits for one run at most.
class Arbiter {
 public:
  explicit Arbiter(int places) : free_(places), places_(places) {}

  // A model's account. Used by as many threads as it has instances.
  class Account {
   public:
    Account(double weight, bool real_time) : weight_(weight), real_time_(real_time) {}

   private:
    friend class Arbiter;
    const double weight_;
    const bool real_time_;
    double clock_ns_ = 0;  // by the arbiter's mutex
  };

  // Waits for a place.
  void enter(Account& account);
  // Takes a place if one is free and nobody waits.
  bool try_enter(Account& account);
  // Gives it back after `ns` of computing. Where the account `wants_more` at once and is next all
  // the same, it keeps its place: true, and it leaves once more later.
  bool leave(Account& account, int64_t ns, bool wants_more);

  // From now on there are so many places, at least 1. Where more are taken, they are not given out
  // again until fewer are.
  void set_places(int places);

  int waiting() const;  // threads in enter()

 private:
  struct Ticket {
    Account* account;
    bool called = false;
  };
  static bool before(const Account& a, const Account& b);
  void start(Account& account);                  // by mutex_
  std::list<Ticket*>::iterator next();           // by mutex_; of those that wait
  void call(std::list<Ticket*>::iterator next);  // by mutex_

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Ticket*> waiting_;  // by mutex_; in the order in which they came
  int free_;                    // by mutex_; below 0: so many are to be taken away
  int places_;                  // by mutex_
  double clock_ns_ = 0;         // by mutex_: of who was served last
};

}  // namespace inferd::schedule
