// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/residency.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "daemon/telemetry/log.h"

namespace inferd::models {
namespace {

using config::Residence;
using schedule::Sleeper;

constexpr auto kSweep = std::chrono::seconds(1);

std::string megabytes(int64_t bytes) {
  constexpr double kMega = 1e6;
  const double tenths = std::round(static_cast<double>(bytes) / kMega * 10);
  const auto whole = static_cast<int64_t>(tenths);
  return std::to_string(whole / 10) + "." + std::to_string(whole % 10) + " MB";
}

void say(const std::string& text) { telemetry::log(LogLevel::kInfo, text); }

}  // namespace

Residency::Reservation& Residency::Reservation::operator=(Reservation&& other) noexcept {
  std::swap(from_, other.from_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Residency::Reservation::release() {
  if (from_ == nullptr) return;
  const std::lock_guard lock(from_->mutex_);
  from_->reserved_ -= bytes_;
  from_ = nullptr;
}

Residency::Residency(const config::MemoryConfig& config, Gauge gauge, IsNeeded is_needed)
    : config_(config), gauge_(std::move(gauge)), is_needed_(std::move(is_needed)) {
  thread_ = std::thread([this] { work(); });
}

Residency::~Residency() {
  {
    const std::lock_guard lock(wanted_mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Residency::Terms Residency::terms_of(const config::ModelConfig& model) const {
  const double keep_alive_s = model.keep_alive_s.value_or(config_.keep_alive_s);
  return {model.residence.value_or(config_.residence), static_cast<int64_t>(keep_alive_s * 1e9), 0};
}

void Residency::add(const std::shared_ptr<Sleeper>& sleeper, const Terms& terms) {
  sleeper->when_wanted([this, weak = std::weak_ptr(sleeper)] { want(weak); });
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const Entry& entry) { return entry.sleeper.expired(); });
  entries_.push_back({sleeper, terms});
  watch();
}

// ---- Room ----

std::vector<Residency::Resident> Residency::residents() {
  std::vector<Resident> residents;
  for (const Entry& entry : entries_) {
    auto sleeper = entry.sleeper.lock();
    if (sleeper == nullptr) continue;
    const Sleeper::Use use = sleeper->use();
    residents.push_back({std::move(sleeper), entry.terms, use});
  }
  return residents;
}

Residency::Shortage Residency::shortage(std::optional<int64_t> of_budget, int64_t of_machine,
                                        const std::vector<Resident>& residents) const {
  int64_t taken = reserved_ + of_budget.value_or(0);
  for (const Resident& resident : residents) taken += resident.use.awake ? resident.use.bytes : 0;
  if (of_budget && config_.budget_bytes > 0 && taken > config_.budget_bytes) {
    return {taken - config_.budget_bytes, "models may have " + megabytes(config_.budget_bytes) +
                                              " (models: memory: budget_bytes)"};
  }
  const host::MemoryState state = gauge_();
  const int64_t left = state.available - config_.reserve_bytes - reserved_;
  if (left >= of_machine) return {};
  return {of_machine - left, state.limit + " has " + megabytes(state.available) +
                                 " left, of which " + megabytes(config_.reserve_bytes) +
                                 " stay free (models: memory: reserve_bytes)"};
}

bool Residency::stays(const Resident& resident) const {
  return resident.terms.residence == Residence::kPinned || is_needed_(resident.sleeper->name());
}

bool Residency::may_sleep(const Resident& resident) const {
  return resident.use.awake && !resident.use.busy && !stays(resident);
}

// The least recently used of those that may and were not used for so long. False: none.
bool Residency::put_one_to_sleep(const std::vector<Resident>& residents, int64_t idle_ns,
                                 const std::string& why) {
  const int64_t before = schedule::now_ns() - idle_ns;
  std::vector<const Resident*> idle;
  for (const Resident& resident : residents) {
    if (resident.use.last_used_ns <= before && may_sleep(resident)) idle.push_back(&resident);
  }
  std::sort(idle.begin(), idle.end(), [](const Resident* a, const Resident* b) {
    return a->use.last_used_ns < b->use.last_used_ns;
  });
  for (const Resident* resident : idle) {
    if (!resident->sleeper->fall_asleep()) continue;
    say("model " + resident->sleeper->name() + " sleeps: its " + megabytes(resident->use.bytes) +
        " are wanted " + why);
    return true;
  }
  return false;
}

Status Residency::no_room(const std::string& what, int64_t bytes, const Shortage& shortage,
                          const std::vector<Resident>& residents) const {
  std::string takers;
  for (const Resident& resident : residents) {
    if (!resident.use.awake) continue;
    takers += (takers.empty() ? "" : ", ") + resident.sleeper->name() + " has " +
              megabytes(resident.use.bytes);
    if (resident.terms.residence == Residence::kPinned) {
      takers += " (pinned)";
    } else if (is_needed_(resident.sleeper->name())) {
      takers += " (in use by a pipeline)";
    } else if (resident.use.busy) {
      takers += " (busy)";
    }
  }
  return resource_exhausted(what + " needs about " + megabytes(bytes) + " of memory, " +
                            megabytes(shortage.bytes) + " more than there is: " + shortage.limit +
                            (takers.empty() ? "" : "; " + takers));
}

Result<Residency::Reservation> Residency::reserve(const std::string& what, int64_t bytes,
                                                  int64_t of_machine, Room room) {
  // Requests end; who waits for memory is better served by a little patience.
  constexpr auto kPatience = std::chrono::seconds(1);
  constexpr auto kPause = std::chrono::milliseconds(5);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const auto may_end = [this](const Resident& resident) {
    return resident.use.awake && !stays(resident);
  };
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::vector<Resident> residents = this->residents();
    // The budget is for what stays.
    const auto of_budget = room == Room::kForAWhile ? std::nullopt : std::optional(bytes);
    const Shortage shortage = this->shortage(of_budget, of_machine, residents);
    if (shortage.bytes == 0) break;
    if (room == Room::kMade && put_one_to_sleep(residents, 0, "for " + what)) continue;
    const bool is_hopeless =
        room != Room::kMade || std::none_of(residents.begin(), residents.end(), may_end);
    if (is_hopeless || std::chrono::steady_clock::now() > until)
      return no_room(what, bytes, shortage, residents);
    lock.unlock();
    std::this_thread::sleep_for(kPause);
    lock.lock();
  }
  Reservation reservation;
  reservation.from_ = this;
  reservation.bytes_ = bytes;
  reserved_ += bytes;
  return reservation;
}

Status Residency::wake(const std::shared_ptr<Sleeper>& sleeper, Room room) {
  const Sleeper::Use use = sleeper->use();
  if (use.awake) return ok_status();
  const std::string what = "model '" + sleeper->name() + "'";
  auto reservation = reserve(what, use.bytes > 0 ? use.bytes : estimate_of(sleeper), room);
  if (!reservation.ok()) {
    sleeper->give_up(reservation.status());
    return reservation.status();
  }
  const Status woken = sleeper->wake([&](int64_t bytes) {
    // Now it is known. The machine has given it already.
    reservation->release();
    reservation = reserve(what, bytes, 0, room);
    return reservation.status();
  });
  watch();
  return woken;
}

int64_t Residency::estimate_of(const std::shared_ptr<Sleeper>& sleeper) {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.sleeper.lock() == sleeper) return entry.terms.estimate_bytes;
  }
  return 0;
}

// ---- What happens by itself ----

void Residency::want(const std::weak_ptr<Sleeper>& sleeper) {
  {
    const std::lock_guard lock(wanted_mutex_);
    const bool is_known = std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& other) {
      return !other.owner_before(sleeper) && !sleeper.owner_before(other);
    });
    if (!is_known) wanted_.push_back(sleeper);
  }
  changed_.notify_all();
}

void Residency::watch() {
  {
    const std::lock_guard lock(wanted_mutex_);
    if (std::exchange(watching_, true)) return;
  }
  changed_.notify_all();
}

// Nothing is looked at, and no core is woken for it, while nothing is awake.
void Residency::work() {
  auto next_sweep = std::chrono::steady_clock::now() + kSweep;
  std::unique_lock lock(wanted_mutex_);
  for (;;) {
    const auto called = [&] { return ending_ || !wanted_.empty(); };
    changed_.wait(lock, [&] { return called() || watching_; });
    changed_.wait_until(lock, next_sweep, called);
    if (ending_) return;
    const auto wanted = std::exchange(wanted_, {});
    const bool is_due = std::chrono::steady_clock::now() >= next_sweep;
    if (is_due) watching_ = false;  // unless there is more, or it is said again meanwhile
    lock.unlock();
    for (const auto& weak : wanted) {
      const auto sleeper = weak.lock();
      if (sleeper == nullptr || sleeper->use().awake) continue;
      const int64_t began = schedule::now_ns();
      const Status status = wake(sleeper, Room::kMade);
      if (status.ok()) {
        say("model " + sleeper->name() + " is awake after " +
            std::to_string((schedule::now_ns() - began) / 1'000'000) + " ms");
      } else {
        telemetry::log(LogLevel::kWarning,
                       "model " + sleeper->name() + " cannot be woken: " + status.message());
      }
    }
    if (is_due) {
      if (sweep()) watch();
      next_sweep = std::chrono::steady_clock::now() + kSweep;
    }
    lock.lock();
  }
}

bool Residency::sweep() {
  const std::lock_guard lock(mutex_);
  const std::vector<Resident> residents = this->residents();
  const int64_t now = schedule::now_ns();
  bool any_slept = false;
  for (const Resident& resident : residents) any_slept |= sleep_if_idle(resident, now);
  const bool is_awake = std::any_of(residents.begin(), residents.end(),
                                    [](const Resident& r) { return r.use.awake; });
  if (any_slept || !is_awake) return is_awake;
  // One at a time: what was given back shows at the next look. What is used all the time would only
  // come again.
  constexpr int64_t kUnused = 5'000'000'000;
  const Shortage shortage = this->shortage(0, 0, residents);
  if (shortage.bytes > 0) {
    put_one_to_sleep(residents, kUnused, "where " + shortage.limit);
    return true;
  }
  if (config_.max_pressure == 0) return true;
  if (const double pressure = gauge_().pressure; pressure > config_.max_pressure) {
    put_one_to_sleep(residents, kUnused,
                     "by others: for " + std::to_string(std::lround(pressure)) +
                         " % of the time somebody waits for memory");
  }
  return true;
}

bool Residency::sleep_if_idle(const Resident& resident, int64_t now) {
  const int64_t idle = now - resident.use.last_used_ns;
  if (resident.terms.keep_alive_ns == 0 || idle < resident.terms.keep_alive_ns) return false;
  if (!may_sleep(resident) || !resident.sleeper->fall_asleep()) return false;
  say("model " + resident.sleeper->name() + " sleeps: no requests for " +
      std::to_string(idle / 1'000'000'000) + " s");
  return true;
}

}  // namespace inferd::models
