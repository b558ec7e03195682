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
  FolderRepository(const config::ModelsConfig& config, std::shared_ptr<Engine> engine)
      : loader_(config, std::move(engine)) {}

  ~FolderRepository() override {
    FolderRepository::close();
    std::unique_lock lock(mutex_);
    models_.clear();
    all_gone_.wait(lock, [&] { return living_ == 0; });
  }

  Status load_all() {
    INFERD_ASSIGN_OR_RETURN(const auto wanted, loader_.wanted_at_start());
    for (const config::ModelConfig& model : wanted) {
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
    for (const VersionPtr& version : living()) version->queue->close();
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
    auto loaded = loader_.load(wanted);
    if (loaded.ok()) return publish(own(std::move(*loaded)));
    const std::lock_guard lock(mutex_);
    Entry& entry = models_[wanted.name];
    if (entry.serving == nullptr) {
      entry = {nullptr, ModelState::kFailed, loaded.status().message()};
    }
    return loaded.status();
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
  std::mutex listeners_mutex_;
  std::list<Listener> listeners_;  // by listeners_mutex_
  Background background_;          // last: its work uses the others
};

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(const config::ModelsConfig& config,
                                                     std::shared_ptr<Engine> engine) {
  auto repository = std::make_unique<FolderRepository>(config, std::move(engine));
  INFERD_RETURN_IF_ERROR(repository->load_all());
  return std::unique_ptr<Repository>(std::move(repository));
}

}  // namespace inferd::models
