// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/repository.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include "daemon/models/background.h"
#include "daemon/models/loader.h"
#include "daemon/telemetry/log.h"

namespace inferd::models {
namespace {

// Loads and unloads that may wait to be done.
constexpr int kMaxOrders = 64;

using VersionPtr = std::shared_ptr<const ModelVersion>;

class FolderRepository final : public Repository {
 public:
  FolderRepository(const config::ModelsConfig& config, std::shared_ptr<Engine> engine,
                   std::shared_ptr<schedule::ResponseCache> cache)
      : loader_(config, std::move(engine), std::move(cache)) {}

  ~FolderRepository() override {
    FolderRepository::close();
    std::unique_lock lock(mutex_);
    models_.clear();
    all_gone_.wait(lock, [&] { return living_ == 0; });
  }

  Status load_all() {
    INFERD_ASSIGN_OR_RETURN(const auto wanted, loader_.wanted_at_start());
    for (const config::ModelConfig& model : wanted) {
      if (find(model.name, 0).ok()) continue;  // as part of an ensemble
      const Status status = load_now(model);
      if (status.ok()) continue;
      const std::string where = model.mark.line > 0 ? model.mark.to_string() + ": " : "";
      return status.with_context(where + "model '" + model.name + "'");
    }
    return ok_status();
  }

  Result<VersionPtr> find(const std::string& name, int64_t version) const override {
    const std::lock_guard lock(mutex_);
    const auto model = models_.find(name);
    if (model == models_.end() || model->second.state == ModelState::kUnloaded) {
      return not_found("there is no model '" + name + "'" + what_serves());
    }
    const Entry& entry = model->second;
    if (entry.serving == nullptr) {
      return unavailable("model '" + name +
                         (entry.state == ModelState::kLoading ? "' is being loaded"
                                                              : "' failed: " + entry.reason));
    }
    if (version != 0 && version != entry.serving->version) {
      return not_found("model '" + name + "' has no version " + std::to_string(version) +
                       " loaded; version " + std::to_string(entry.serving->version) + " is");
    }
    return entry.serving;
  }

  std::vector<ModelStatus> list() const override {
    const std::lock_guard lock(mutex_);
    std::vector<ModelStatus> list;
    for (const auto& [name, entry] : models_) {
      list.push_back({name, entry.serving ? entry.serving->version : 0, entry.state, entry.reason});
    }
    return list;
  }

  std::vector<ModelStatus> index() const override {
    std::vector<ModelStatus> index = list();
    const size_t known = index.size();
    for (const std::string& name : loader_.on_disk()) {
      const auto end = index.begin() + static_cast<ptrdiff_t>(known);
      const bool is_known = std::any_of(
          index.begin(), end, [&](const ModelStatus& status) { return status.name == name; });
      if (!is_known) index.push_back({name, 0, ModelState::kUnloaded, "not loaded"});
    }
    return index;
  }

  bool ready() const override {
    const std::lock_guard lock(mutex_);
    return !closed_;
  }

  void load(const std::string& name, Done done) override {
    const auto wanted = loader_.find(name);
    if (!wanted.ok()) return done(wanted.status());
    order(std::move(done), [this, model = *wanted] {
      Status status = load_now(model);
      log_load(model.name, status);
      return status;
    });
  }

  void unload(const std::string& name, Done done) override {
    order(std::move(done), [this, name] { return unload_now(name); });
  }

  std::shared_ptr<const void> listen(Listener listener) override {
    const std::lock_guard lock(listeners_mutex_);
    const auto at = listeners_.insert(listeners_.end(), std::move(listener));
    // Points to nothing; what counts is when it is deleted.
    return {static_cast<const void*>(nullptr), [this, at](const void*) {
              const std::lock_guard deleting(listeners_mutex_);
              listeners_.erase(at);
            }};
  }

  void close() override {
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

  void abandon() override {
    for (const VersionPtr& version : living()) version->queue->abandon();
  }

 private:
  struct Entry {
    VersionPtr serving;  // or null
    ModelState state = ModelState::kLoading;
    std::string reason;
  };

  // Has `work` done on the background thread.
  void order(Done done, std::function<Status()> work) {
    Status refused;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) refused = stopping();
      if (orders_ >= kMaxOrders) {
        refused = resource_exhausted(std::to_string(orders_) +
                                     " loads and unloads are to be done already");
      }
      if (refused.ok()) ++orders_;
    }
    if (!refused.ok()) return done(refused);
    background_.post([this, done = std::move(done), work = std::move(work)] {
      bool closed = false;
      {
        const std::lock_guard lock(mutex_);
        --orders_;
        closed = closed_;
      }
      done(closed ? stopping() : work());
    });
  }
  static Status stopping() { return unavailable("the daemon stops and loads nothing more"); }

  Status load_now(const config::ModelConfig& wanted) {
    {
      const std::lock_guard lock(mutex_);
      Entry& entry = models_[wanted.name];
      if (entry.serving == nullptr) entry = {nullptr, ModelState::kLoading, ""};
    }
    auto loaded = make(wanted);
    if (loaded.ok()) log_notes((*loaded)->config);
    if (loaded.ok()) return publish(own(std::move(*loaded)));
    const std::lock_guard lock(mutex_);
    Entry& entry = models_[wanted.name];
    if (entry.serving == nullptr) {
      entry = {nullptr, ModelState::kFailed, loaded.status().message()};
    }
    return loaded.status();
  }

  Result<std::unique_ptr<ModelVersion>> make(const config::ModelConfig& wanted) {
    INFERD_ASSIGN_OR_RETURN(const auto configured, loader_.configure(wanted));
    being_loaded_.push_back(wanted.name);
    const Status parts = load_parts(configured);
    being_loaded_.pop_back();
    INFERD_RETURN_IF_ERROR(parts);
    return loader_.load(configured, [this](const std::string& name, int64_t version) {
      return find(name, version);
    });
  }

  // Those of an ensemble that do not serve yet.
  Status load_parts(const config::ModelConfig& ensemble) {
    for (const config::EnsembleStep& step : ensemble.ensemble.steps) {
      const std::string where = step.mark.to_string() + ": model '" + step.model + "'";
      const bool circle =
          std::find(being_loaded_.begin(), being_loaded_.end(), step.model) != being_loaded_.end();
      if (circle || needs(step.model, ensemble.name)) {
        return invalid_argument(where + " is made of '" + ensemble.name +
                                "': an ensemble cannot be a part of itself");
      }
      if (find(step.model, 0).ok()) continue;
      const auto part = loader_.find(step.model);
      const Status status = part.ok() ? load_now(*part) : part.status();
      log_load(step.model, status);
      INFERD_RETURN_IF_ERROR(status.with_context(where));
    }
    return ok_status();
  }

  // Whether `name`, as it serves now, is `part` or made of it.
  bool needs(const std::string& name, const std::string& part) const {
    if (name == part) return true;
    const auto version = find(name, 0);
    if (!version.ok()) return false;
    const auto& steps = (*version)->config.ensemble.steps;
    return std::any_of(steps.begin(), steps.end(),
                       [&](const config::EnsembleStep& step) { return needs(step.model, part); });
  }

  static void log_notes(const config::ModelConfig& config) {
    if (config.notes.empty()) return;
    std::string line = "model " + config.name + ":";
    for (const std::string& note : config.notes) line += " " + note + ";";
    line.pop_back();
    telemetry::log(LogLevel::kWarning, line);
  }

  void log_load(const std::string& name, const Status& status) const {
    const auto serving = find(name, 0);
    std::string what = "model " + name;
    if (!status.ok()) what += " cannot be loaded: " + status.message();
    if (!status.ok() && serving.ok()) what += ";";
    if (serving.ok()) what += " version " + std::to_string((*serving)->version) + " serves";
    telemetry::log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, what);
  }

  Status publish(VersionPtr version) {
    const std::string name = version->name;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return stopping();
      Entry& entry = models_[name];
      entry.state = ModelState::kReady;
      // The old version goes with the last of its requests.
      entry.serving.swap(version);
    }
    tell(name, true);
    return ok_status();
  }

  Status unload_now(const std::string& name) {
    VersionPtr version;
    {
      const std::lock_guard lock(mutex_);
      const auto model = models_.find(name);
      if (model == models_.end()) {
        return not_found("there is no model '" + name + "'" + what_serves());
      }
      if (const std::string user = user_of(name); !user.empty()) {
        return failed_precondition("model '" + name + "' is a part of ensemble '" + user +
                                   "'; unload that first");
      }
      version = std::exchange(model->second, {nullptr, ModelState::kUnloaded, "unloaded"}).serving;
    }
    if (version == nullptr) return ok_status();
    tell(name, false);
    version->queue->close();
    telemetry::log(LogLevel::kInfo, "model " + name + " is unloaded");
    return ok_status();
  }

  // Whoever holds a version last, maybe a worker of its queue, must not be the one to end it: it
  // would wait for itself, or others for it.
  VersionPtr own(std::unique_ptr<ModelVersion> version) {
    VersionPtr owned(version.release(), [this](const ModelVersion* gone) {
      background_.post([this, gone] {
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
  std::vector<VersionPtr> living() const {
    const std::lock_guard lock(mutex_);
    std::vector<VersionPtr> living;
    for (const auto& version : versions_) {
      if (VersionPtr lives = version.lock()) living.push_back(std::move(lives));
    }
    return living;
  }

  void tell(const std::string& name, bool serves) {
    const std::lock_guard lock(listeners_mutex_);
    for (const Listener& listener : listeners_) listener(name, serves);
  }

  // By mutex_. An ensemble that serves and has a step of this model, or "".
  std::string user_of(const std::string& part) const {
    for (const auto& [name, entry] : models_) {
      if (entry.serving == nullptr) continue;
      for (const config::EnsembleStep& step : entry.serving->config.ensemble.steps) {
        if (step.model == part) return name;
      }
    }
    return "";
  }

  // By mutex_. For messages.
  std::string what_serves() const {
    std::string names;
    for (const auto& [name, entry] : models_) {
      if (entry.serving != nullptr) names += (names.empty() ? "" : ", ") + name;
    }
    return names.empty() ? "; none is loaded" : "; loaded: " + names;
  }

  const Loader loader_;
  mutable std::mutex mutex_;
  std::condition_variable all_gone_;
  std::map<std::string, Entry> models_;                      // by mutex_
  std::vector<std::weak_ptr<const ModelVersion>> versions_;  // by mutex_; those that served, too
  int living_ = 0;                                           // by mutex_: versions not ended
  int orders_ = 0;                                           // by mutex_
  bool closed_ = false;                                      // by mutex_
  std::vector<std::string> being_loaded_;                    // of the thread that loads
  std::mutex listeners_mutex_;
  std::list<Listener> listeners_;  // by listeners_mutex_
  Background background_;          // last: its work uses the others
};

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(const config::ModelsConfig& config,
                                                     std::shared_ptr<Engine> engine) {
  std::shared_ptr<schedule::ResponseCache> cache;
  if (config.response_cache_bytes > 0) {
    INFERD_ASSIGN_OR_RETURN(cache, schedule::ResponseCache::create(config.response_cache_bytes));
  }
  auto repository = std::make_unique<FolderRepository>(config, std::move(engine), std::move(cache));
  INFERD_RETURN_IF_ERROR(repository->load_all());
  return std::unique_ptr<Repository>(std::move(repository));
}

}  // namespace inferd::models
