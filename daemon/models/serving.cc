// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/serving.h"

#include <algorithm>
#include <utility>

namespace inferd::models {
namespace {

bool is_chosen(const CanaryShare& share, const Caller* caller) {
  if (share.clients.empty() || caller == nullptr) return false;
  const std::vector<std::string> keys = caller->keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return share.clients.contains(key); });
}

// For ModelStatus::reason of one that is ready.
std::string how_it_serves(const ModelVersion& version) {
  const bool sleeps = version.sleeper != nullptr && !version.sleeper->use().awake;
  return sleeps ? "asleep until it is used" : "";
}

}  // namespace

Serving::~Serving() {
  close();
  std::unique_lock lock(mutex_);
  // Outside of it: what a version holds may come back here.
  auto models = std::exchange(models_, {});
  lock.unlock();
  models.clear();
  lock.lock();
  all_gone_.wait(lock, [&] { return living_ == 0; });
}

VersionPtr Serving::own(std::unique_ptr<ModelVersion> version) {
  VersionPtr owned(version.release(), [this](const ModelVersion* gone) {
    ends_.post([this, gone] {
      delete gone;
      const std::lock_guard lock(mutex_);
      --living_;
      all_gone_.notify_all();
    });
  });
  const std::lock_guard lock(mutex_);
  ++living_;
  std::erase_if(versions_, [](const auto& other) { return other.expired(); });
  versions_.push_back(owned);
  return owned;
}

// By mutex_. Of a model that serves, for a request that names no version.
VersionPtr Serving::choose(const Entry& entry, const Asking& asking) {
  if (entry.candidate == nullptr && entry.previous == nullptr) return entry.serving;
  const schedule::Sequence* const sequence = asking.sequence;
  if (sequence != nullptr && !sequence->id.empty() && !sequence->start) {
    for (const VersionPtr& version : {entry.serving, entry.previous, entry.candidate}) {
      if (version != nullptr && version->queue->has_sequence(sequence->id)) return version;
    }
  }
  if (entry.candidate == nullptr) return entry.serving;
  if (is_chosen(entry.share, asking.caller)) return entry.candidate;
  entry.due += entry.share.fraction;
  if (entry.due < 1) return entry.serving;
  entry.due -= 1;
  return entry.candidate;
}

Result<VersionPtr> Serving::find(const std::string& name, int64_t version,
                                 const Asking& asking) const {
  const std::lock_guard lock(mutex_);
  const auto model = models_.find(name);
  if (model == models_.end() || model->second.state == ModelState::kUnloaded) {
    return not_found("there is no model '" + name + "'" + what_serves());
  }
  const Entry& entry = model->second;
  if (entry.serving == nullptr) {
    return unavailable(
        "model '" + name +
        (entry.state == ModelState::kLoading ? "' is being loaded" : "' failed: " + entry.reason));
  }
  if (version == entry.serving->version) return entry.serving;
  if (version == 0) return choose(entry, asking);
  if (entry.candidate != nullptr && version == entry.candidate->version) return entry.candidate;
  const auto other = entry.others.find(version);
  if (other != entry.others.end()) return other->second;
  std::string loaded = "version " + std::to_string(entry.serving->version) + " is";
  for (const auto& [number, unused] : entry.others)
    loaded = "version " + std::to_string(number) + ", " + loaded;
  return not_found("model '" + name + "' has no version " + std::to_string(version) + " loaded; " +
                   loaded);
}

VersionPtr Serving::current(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto model = models_.find(name);
  return model == models_.end() ? nullptr : model->second.serving;
}

std::vector<ModelStatus> Serving::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> list;
  for (const auto& [name, entry] : models_) {
    const VersionPtr& serves = entry.serving;
    list.push_back({name, serves ? serves->version : 0, entry.state,
                    serves ? how_it_serves(*serves) : entry.reason});
    for (const auto& [version, other] : entry.others)
      list.push_back({name, version, ModelState::kReady, how_it_serves(*other)});
  }
  return list;
}

std::shared_ptr<const void> Serving::listen(Repository::Listener listener) {
  const std::lock_guard lock(listeners_mutex_);
  const auto at = listeners_.insert(listeners_.end(), std::move(listener));
  // Points to nothing; what counts is when it is deleted.
  return {static_cast<const void*>(nullptr), [this, at](const void*) {
            const std::lock_guard deleting(listeners_mutex_);
            listeners_.erase(at);
          }};
}

void Serving::tell(const std::string& name, bool serves) {
  const std::lock_guard lock(listeners_mutex_);
  for (const Repository::Listener& listener : listeners_) listener(name, serves);
}

void Serving::set_loading(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Entry& entry = models_[name];
  if (entry.serving != nullptr) return;
  entry.state = ModelState::kLoading;
  entry.reason.clear();
}

void Serving::set_failed(const std::string& name, const Status& why) {
  const std::lock_guard lock(mutex_);
  Entry& entry = models_[name];
  if (entry.serving != nullptr) return;
  entry.state = ModelState::kFailed;
  entry.reason = why.message();
}

// By mutex_. Gives what goes, to be let go without the lock.
VersionPtr Serving::replace(Entry& entry, const Change& change) {
  VersionPtr old = std::exchange(entry.serving, change.version);
  entry.state = ModelState::kReady;
  entry.reason.clear();
  entry.candidate.reset();
  entry.share = {};
  entry.others.clear();
  for (const VersionPtr& other : change.others) entry.others[other->version] = other;
  if (old == nullptr || old == change.version) return old;
  VersionPtr older = std::exchange(entry.previous, nullptr);
  if (old->queue->statistics().sequences > 0 && !old->model->info().states.empty())
    entry.previous = std::move(old);
  return older != nullptr ? older : old;
}

Status Serving::publish(const std::vector<Change>& changes) {
  std::vector<VersionPtr> gone;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return stopping();
    for (const Change& change : changes)
      gone.push_back(replace(models_[change.version->name], change));
  }
  for (const Change& change : changes) tell(change.version->name, true);
  return ok_status();
}

int64_t Serving::release(const std::string& name, bool all) {
  VersionPtr gone;
  const std::lock_guard lock(mutex_);
  const auto model = models_.find(name);
  if (model == models_.end() || model->second.previous == nullptr) return 0;
  Entry& entry = model->second;
  const int64_t left = entry.previous->queue->statistics().sequences;
  if (left > 0 && !all) return left;
  gone.swap(entry.previous);
  return 0;
}

void Serving::try_out(const std::string& name, VersionPtr candidate, CanaryShare share) {
  const std::lock_guard lock(mutex_);
  Entry& entry = models_[name];
  entry.candidate.swap(candidate);
  entry.share = std::move(share);
  entry.due = 0;
}

Result<VersionPtr> Serving::withdraw(const std::string& name) {
  VersionPtr version, candidate, previous;
  std::map<int64_t, VersionPtr> others;
  {
    const std::lock_guard lock(mutex_);
    const auto model = models_.find(name);
    if (model == models_.end())
      return not_found("there is no model '" + name + "'" + what_serves());
    if (const std::string user = user_of(name); !user.empty()) {
      return failed_precondition("model '" + name + "' is a part of ensemble '" + user +
                                 "'; unload that first");
    }
    Entry& entry = model->second;
    version.swap(entry.serving);
    candidate.swap(entry.candidate);
    previous.swap(entry.previous);
    others.swap(entry.others);
    entry.state = ModelState::kUnloaded;
    entry.reason = "unloaded";
  }
  if (version == nullptr) return version;
  tell(name, false);
  return version;
}

std::vector<VersionPtr> Serving::living() const {
  const std::lock_guard lock(mutex_);
  std::vector<VersionPtr> living;
  for (const auto& version : versions_) {
    if (VersionPtr lives = version.lock()) living.push_back(std::move(lives));
  }
  return living;
}

bool Serving::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Serving::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  // What is under way in an ensemble goes on to its models.
  std::vector<VersionPtr> versions = living();
  std::reverse(versions.begin(), versions.end());  // those that came later may be made of others
  std::stable_partition(versions.begin(), versions.end(), [](const VersionPtr& version) {
    return !version->config.ensemble.steps.empty();
  });
  for (const VersionPtr& version : versions) version->queue->close();
}

void Serving::abandon() {
  for (const VersionPtr& version : living()) version->queue->abandon();
}

// By mutex_. An ensemble that serves and has a step of this model, or "".
std::string Serving::user_of(const std::string& part) const {
  for (const auto& [name, entry] : models_) {
    if (entry.serving == nullptr) continue;
    for (const config::EnsembleStep& step : entry.serving->config.ensemble.steps) {
      if (step.model == part) return name;
    }
  }
  return "";
}

// By mutex_. For messages.
std::string Serving::what_serves() const {
  std::string names;
  for (const auto& [name, entry] : models_) {
    if (entry.serving != nullptr) names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "; none is loaded" : "; loaded: " + names;
}

}  // namespace inferd::models
