// SPDX-License-Identifier: Apache-2.0
//
// Which of the loaded models have what they compute with in memory. Those without requests are put
// to sleep when their time is over or others need the memory, the one that was used least recently
// first, and woken by the next request.
//
// Room is counted twice: what models say that they take, against the budget, and what the machine
// and the limits of the service still have (host/memory.h), against the reserve.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/host/memory.h"
#include "daemon/schedule/sleeper.h"

namespace inferd::models {

// Thread-safe. A thread of its own wakes what is wanted and puts to sleep what is idle.
class Residency {
 public:
  // What is asked for the state of the machine: host::read_memory(), but for tests.
  using Gauge = std::function<host::MemoryState()>;
  // Whether somebody needs this model to be in memory all the time.
  using IsNeeded = std::function<bool(const std::string& model)>;

  Residency(const config::MemoryConfig& config, Gauge gauge, IsNeeded is_needed);
  // After the sleepers' queues are gone.
  ~Residency();
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;

  // Memory that is to be taken soon, until this is gone.
  class Reservation {
   public:
    Reservation() = default;
    ~Reservation() { release(); }
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    void release();

   private:
    friend class Residency;
    Residency* from_ = nullptr;
    int64_t bytes_ = 0;
  };

  enum class Room {
    kForAWhile,  // on the machine; the budget is for what stays
    kLeft,       // what nobody has
    kMade,       // others are put to sleep for it
  };
  // RESOURCE_EXHAUSTED, with who has the memory. kMade may wait a second for requests that run.
  Result<Reservation> reserve(const std::string& what, int64_t bytes, Room room) {
    return reserve(what, bytes, bytes, room);
  }

  struct Terms {
    config::Residence residence = config::Residence::kPreload;
    int64_t keep_alive_ns = 0;   // 0: for ever
    int64_t estimate_bytes = 0;  // of what it takes, as long as it was never awake
  };
  // What `model` says, or else the configuration.
  Terms terms_of(const config::ModelConfig& model) const;

  // Has it woken when it is wanted, and put to sleep by its terms. As long as it lives.
  void add(const std::shared_ptr<schedule::Sleeper>& sleeper, const Terms& terms);

  // Wakes it: milliseconds to seconds. RESOURCE_EXHAUSTED as reserve(), or why it cannot be made.
  Status wake(const std::shared_ptr<schedule::Sleeper>& sleeper, Room room);

 private:
  struct Entry {
    std::weak_ptr<schedule::Sleeper> sleeper;
    Terms terms;
  };
  // One that lives, as it is at this moment.
  struct Resident {
    std::shared_ptr<schedule::Sleeper> sleeper;
    Terms terms;
    schedule::Sleeper::Use use;
  };

  // `of_machine`: what of it is not taken yet.
  Result<Reservation> reserve(const std::string& what, int64_t bytes, int64_t of_machine,
                              Room room);
  void want(const std::weak_ptr<schedule::Sleeper>& sleeper);
  void watch();
  void work();
  bool sweep();  // false: all sleep, and there is nothing to watch
  bool sleep_if_idle(const Resident& resident, int64_t now);

  int64_t estimate_of(const std::shared_ptr<schedule::Sleeper>& sleeper);

  // All by mutex_.
  std::vector<Resident> residents();
  struct Shortage {
    int64_t bytes = 0;  // too much; 0: there is room
    std::string limit;  // of what
  };
  // `of_budget`: none, where it does not matter.
  Shortage shortage(std::optional<int64_t> of_budget, int64_t of_machine,
                    const std::vector<Resident>& residents) const;
  bool stays(const Resident& resident) const;  // whatever others need
  bool may_sleep(const Resident& resident) const;
  bool put_one_to_sleep(const std::vector<Resident>& residents, int64_t idle_ns,
                        const std::string& why);
  Status no_room(const std::string& what, int64_t bytes, const Shortage& shortage,
                 const std::vector<Resident>& residents) const;

  const config::MemoryConfig config_;
  const Gauge gauge_;
  const IsNeeded is_needed_;

  std::mutex mutex_;            // who has what
  std::vector<Entry> entries_;  // by mutex_
  int64_t reserved_ = 0;        // by mutex_

  std::mutex wanted_mutex_;  // never held while something is done
  std::condition_variable changed_;
  std::vector<std::weak_ptr<schedule::Sleeper>> wanted_;  // by wanted_mutex_
  bool ending_ = false;                                   // by wanted_mutex_
  bool watching_ = false;  // by wanted_mutex_: something may be awake
  std::thread thread_;     // last: it uses the others
};

}  // namespace inferd::models
