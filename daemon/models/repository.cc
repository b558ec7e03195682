// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/repository.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "daemon/models/background.h"
#include "daemon/models/interface.h"
#include "daemon/models/loader.h"
#include "daemon/models/residency.h"
#include "daemon/models/serving.h"
#include "daemon/models/variants.h"
#include "daemon/telemetry/log.h"

namespace inferd::models {
namespace {

// Loads and unloads that may wait to be done.
constexpr int kMaxOrders = 64;

class FolderRepository final : public DeployableRepository {
 public:
  FolderRepository(const config::ModelsConfig& config, std::shared_ptr<Engine> engine,
                   std::shared_ptr<schedule::ResponseCache> cache, Store* store)
      : store_(store),
        residency_(
            config.memory, [] { return host::read_memory(); },
            [this](const std::string& name) { return !dependent_of(name).empty(); }),
        loader_(config, std::move(engine), std::move(cache), residency_) {}

  Status load_all(const Progress& progress) {
    INFERD_ASSIGN_OR_RETURN(const auto wanted, loader_.wanted_at_start());
    size_t number = 0;
    for (const config::ModelConfig& model : wanted) {
      ++number;
      if (serving_.current(model.name) != nullptr) continue;  // as part of an ensemble
      if (progress) progress(number, wanted.size(), model.name);
      const Status status = load_now(model);
      if (status.ok()) continue;
      if (deployments_know(model.name)) {
        // A robot starts with what it has; the model says what is wrong with it. It may also have
        // no version yet that passed what it had to.
        log_load(model.name, status);
        continue;
      }
      const std::string where = model.mark.line > 0 ? model.mark.to_string() + ": " : "";
      return status.with_context(where + "model '" + model.name + "'");
    }
    has_started_ = true;
    return ok_status();
  }

  Result<VersionPtr> find(const std::string& name, int64_t version,
                          const Asking& asking) const override {
    INFERD_ASSIGN_OR_RETURN(VersionPtr found, serving_.find(name, version, asking));
    if (version != 0 || asking.caller == nullptr) return found;
    VersionPtr variant = serving_.current(variants_.of(name));
    const bool stands_in = variant != nullptr && found->model->info().states.empty() &&
                           check_same_interface(found->model->info(), variant->model->info()).ok();
    return stands_in ? variant : found;
  }
  std::vector<ModelStatus> list() const override { return serving_.list(); }

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

  bool ready() const override { return !serving_.closed(); }

  void load(const std::string& name, Done done) override {
    const auto wanted = loader_.find(name);
    if (!wanted.ok()) return done(wanted.status());
    order(std::move(done), [this, model = *wanted] {
      Status status = load_now(model);
      log_load(model.name, status);
      return status;
    });
  }

  void unload(const std::string& name, bool with_parts, Done done) override {
    order(std::move(done), [this, name, with_parts] { return unload_now(name, with_parts); });
  }

  std::shared_ptr<const void> listen(Listener listener) override {
    return serving_.listen(std::move(listener));
  }

  std::shared_ptr<const void> depend(const std::string& name, const std::string& who) override {
    const std::lock_guard lock(mutex_);
    const auto at = dependents_.emplace(name, who);
    return {static_cast<const void*>(nullptr), [this, at](const void*) {
              const std::lock_guard deleting(mutex_);
              dependents_.erase(at);
            }};
  }

  void restrain(const Restraint& restraint) override {
    loader_.limit_threads(restraint.threads);
    loader_.shed(restraint.shed_from, restraint.why);
    variants_.set(restraint.variants);
  }

  void close() override { serving_.close(); }
  void abandon() override { serving_.abandon(); }

  // ---- Deployments ----

  Result<VersionPtr> prepare(const ModelAndVersion& version, const Verified* verified) override {
    INFERD_ASSIGN_OR_RETURN(config::ModelConfig wanted, loader_.find(version.model));
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> finished;
    Result<VersionPtr> prepared = VersionPtr();
    const auto done = [&](const Status& status) {
      const std::lock_guard lock(mutex);
      finished = status;
      changed.notify_all();  // under the lock: the waiter's stack goes when it has seen it
    };
    order(done, [&] {
      prepared = version.version > 0 ? make(wanted, version.version, verified) : make_first(wanted);
      return prepared.status();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return finished.has_value(); });
    INFERD_RETURN_IF_ERROR(*finished);
    return prepared;
  }

  Status check_fits(const ModelVersion& version) const override {
    INFERD_RETURN_IF_ERROR(check_dependent(version));
    return check_alike(version, user_of(version.name));
  }

  VersionPtr current(const std::string& name) const override { return serving_.current(name); }

  Status publish(const std::vector<VersionPtr>& versions) override {
    std::vector<Serving::Change> changes;
    changes.reserve(versions.size());
    for (const VersionPtr& version : versions) changes.push_back({version, {}});
    return serving_.publish(changes);
  }
  int64_t release(const std::string& name, bool all) override {
    return serving_.release(name, all);
  }
  void try_out(const std::string& name, VersionPtr candidate, CanaryShare share) override {
    serving_.try_out(name, std::move(candidate), std::move(share));
  }

  std::set<ModelAndVersion> in_memory() const override {
    std::set<ModelAndVersion> versions;
    for (const VersionPtr& version : serving_.living())
      versions.insert({version->name, version->version});
    return versions;
  }

 private:
  // Has `work` done on the background thread.
  void order(Done done, std::function<Status()> work) {
    Status refused;
    {
      const std::lock_guard lock(mutex_);
      if (serving_.closed()) refused = Serving::stopping();
      if (orders_ >= kMaxOrders) {
        refused = resource_exhausted(std::to_string(orders_) +
                                     " loads and unloads are to be done already");
      }
      if (refused.ok()) ++orders_;
    }
    if (!refused.ok()) return done(refused);
    background_.post([this, done = std::move(done), work = std::move(work)] {
      {
        const std::lock_guard lock(mutex_);
        --orders_;
      }
      done(serving_.closed() ? Serving::stopping() : work());
    });
  }

  bool deployments_decide(const std::string& name) const {
    return store_ != nullptr && store_->decided(name).current != 0;
  }

  bool deployments_know(const std::string& name) const {
    return store_ != nullptr && store_->decided(name) != ModelDecision();
  }

  // Versions that may serve, the first choice first; 0: an ensemble without any.
  Result<std::vector<int64_t>> candidates(const config::ModelConfig& wanted) const {
    if (wanted.version) return std::vector<int64_t>{*wanted.version};
    if (deployments_decide(wanted.name)) return store_->candidates(wanted.name);
    INFERD_ASSIGN_OR_RETURN(const auto configured, loader_.configure(wanted, 0));
    if (configured.version) return std::vector<int64_t>{*configured.version};
    const auto on_disk = loader_.versions(wanted.name);
    if (!on_disk.ok() && configured.ensemble.steps.empty()) return on_disk.status();
    if (!on_disk.ok()) return std::vector<int64_t>{0};
    std::vector<int64_t> candidates =
        store_ == nullptr ? *on_disk : store_->candidates(wanted.name);
    if (configured.version_policy && !configured.version_policy->specific.empty()) {
      const auto& named = configured.version_policy->specific;
      std::erase_if(candidates, [&](int64_t version) {
        return std::find(named.begin(), named.end(), version) == named.end();
      });
    }
    if (!candidates.empty()) return candidates;
    return failed_precondition("none of the versions of '" + wanted.name +
                               "' may serve; 'inferctl model show " + wanted.name + "' says why");
  }

  Status load_now(const config::ModelConfig& wanted) {
    serving_.set_loading(wanted.name);
    Status status = make_and_publish(wanted);
    if (!status.ok()) serving_.set_failed(wanted.name, status);
    return status;
  }

  // Of a model that deployments decide of, an older version is better than none.
  Result<VersionPtr> make_first(const config::ModelConfig& wanted) {
    INFERD_ASSIGN_OR_RETURN(const auto candidates, this->candidates(wanted));
    Status first;
    for (const int64_t version : candidates) {
      auto made = make(wanted, version);
      if (made.ok()) return made;
      if (first.ok()) first = made.status();
      if (!deployments_decide(wanted.name)) break;
      telemetry::log(LogLevel::kWarning,
                     "version " + std::to_string(version) + " of model '" + wanted.name +
                         "' cannot be loaded: " + made.status().message(),
                     {.model = wanted.name});
    }
    return first;
  }

  Status make_and_publish(const config::ModelConfig& wanted) {
    INFERD_ASSIGN_OR_RETURN(const VersionPtr made, make_first(wanted));
    INFERD_RETURN_IF_ERROR(check_dependent(*made));
    log_notes(made->config);
    return serving_.publish({{made, make_others(wanted, *made)}});
  }

  // The versions that serve beside `main` by the model's version policy.
  std::vector<VersionPtr> make_others(const config::ModelConfig& wanted, const ModelVersion& main) {
    std::vector<VersionPtr> others;
    if (!main.config.version_policy || !main.config.ensemble.steps.empty()) return others;
    const config::VersionPolicy& policy = *main.config.version_policy;
    const auto on_disk = loader_.versions(wanted.name);
    if (!on_disk.ok()) return others;
    for (const int64_t version : *on_disk) {
      if (version == main.version) continue;
      if (store_ != nullptr && !store_->may_serve({wanted.name, version})) continue;
      const bool is_named = std::find(policy.specific.begin(), policy.specific.end(), version) !=
                            policy.specific.end();
      const bool has_room = static_cast<int64_t>(others.size()) + 1 < policy.latest;
      if (!is_named && !has_room) continue;
      auto made = make(wanted, version);
      if (made.ok()) {
        others.push_back(*made);
        continue;
      }
      telemetry::log(LogLevel::kWarning,
                     "version " + std::to_string(version) + " of model '" + wanted.name +
                         "' cannot serve beside version " + std::to_string(main.version) + ": " +
                         made.status().message(),
                     {.model = wanted.name});
    }
    return others;
  }

  Result<VersionPtr> make(const config::ModelConfig& wanted, int64_t version,
                          const Verified* verified = nullptr) {
    const ModelAndVersion what = {wanted.name, version};
    if (store_ != nullptr) INFERD_RETURN_IF_ERROR(store_->check(what, verified));
    INFERD_ASSIGN_OR_RETURN(const auto configured, loader_.configure(wanted, version));
    being_loaded_.push_back(wanted.name);
    const Status parts = load_parts(configured);
    being_loaded_.pop_back();
    INFERD_RETURN_IF_ERROR(parts);
    if (store_ != nullptr) store_->begin_loading(what);
    auto loaded = loader_.load(
        configured, version, has_started_ ? Loader::When::kLater : Loader::When::kAtStart,
        [this](const std::string& name, int64_t part_version, const Asking& asking) {
          return find(name, part_version, asking);
        });
    if (store_ != nullptr) store_->done_loading();
    if (!loaded.ok()) return loaded.status();
    return serving_.own(std::move(*loaded));
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
      if (find(step.model, 0, {}).ok()) continue;
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
    const VersionPtr version = serving_.current(name);
    if (version == nullptr) return false;
    const auto& steps = version->config.ensemble.steps;
    return std::any_of(steps.begin(), steps.end(),
                       [&](const config::EnsembleStep& step) { return needs(step.model, part); });
  }

  // Whether `who`, if anybody, can go on with this version in the place of what serves.
  Status check_alike(const ModelVersion& version, const std::string& who) const {
    const VersionPtr serves = serving_.current(version.name);
    if (serves == nullptr || who.empty()) return ok_status();
    Status alike = check_same_interface(serves->model->info(), version.model->info());
    if (alike.ok()) return alike;
    return failed_precondition("version " + std::to_string(version.version) + " of model '" +
                               version.name + "' " + alike.message() + ", and " + who +
                               " depends on it; give it another model name, or change that first");
  }

  // The same of those who said that they depend on the model; they may use its labels, too.
  Status check_dependent(const ModelVersion& version) const {
    const std::string who = dependent_of(version.name);
    INFERD_RETURN_IF_ERROR(check_alike(version, who));
    const VersionPtr serves = serving_.current(version.name);
    if (who.empty() || serves == nullptr || serves->labels.empty() || !version.labels.empty())
      return ok_status();
    return failed_precondition("version " + std::to_string(version.version) + " of model '" +
                               version.name + "' has no labels, and " + who +
                               " depends on it; add a labels.txt");
  }

  // Whose handle of depend() there is, or "".
  std::string dependent_of(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto dependent = dependents_.find(name);
    return dependent == dependents_.end() ? "" : dependent->second;
  }

  // Who depends on what a model takes and gives, or "".
  std::string user_of(const std::string& name) const {
    for (const ModelStatus& status : serving_.list()) {
      if (status.name != name && needs(status.name, name)) return "ensemble '" + status.name + "'";
    }
    return dependent_of(name);
  }

  static void log_notes(const config::ModelConfig& config) {
    if (config.notes.empty()) return;
    std::string line = "model " + config.name + ":";
    for (const std::string& note : config.notes) line += " " + note + ";";
    line.pop_back();
    telemetry::log(LogLevel::kWarning, line, {.model = config.name});
  }

  void log_load(const std::string& name, const Status& status) const {
    const VersionPtr serves = serving_.current(name);
    std::string what = "model " + name;
    if (!status.ok()) what += " cannot be loaded: " + status.message();
    if (!status.ok() && serves != nullptr) what += ";";
    if (serves != nullptr) what += " version " + std::to_string(serves->version) + " serves";
    telemetry::log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, what, {.model = name});
  }

  Status unload_now(const std::string& name, bool with_parts) {
    if (const std::string who = dependent_of(name); !who.empty())
      return failed_precondition("model '" + name + "' is used by " + who + "; stop that first");
    INFERD_ASSIGN_OR_RETURN(const VersionPtr version, serving_.withdraw(name));
    if (version == nullptr) return ok_status();
    version->queue->close();
    telemetry::log(LogLevel::kInfo, "model " + name + " is unloaded", {.model = name});
    if (!with_parts) return ok_status();
    for (const config::EnsembleStep& step : version->config.ensemble.steps) {
      if (serving_.current(step.model) == nullptr) continue;  // it stands in two steps
      if (const Status left = unload_now(step.model, true); !left.ok())
        telemetry::log(LogLevel::kInfo, "model " + step.model + " stays: " + left.message(),
                       {.model = step.model});
    }
    return ok_status();
  }

  Store* const store_;
  bool has_started_ = false;  // set before there are other threads
  mutable std::mutex mutex_;
  int orders_ = 0;                                      // by mutex_
  std::multimap<std::string, std::string> dependents_;  // by mutex_; models and who has them
  std::vector<std::string> being_loaded_;               // of the thread that loads
  Residency residency_;  // after what it asks, before the queues it wakes
  const Loader loader_;
  Serving serving_;
  Variants variants_;
  Background background_;  // last: its work uses the others
};

}  // namespace

Result<std::unique_ptr<DeployableRepository>> DeployableRepository::open(
    const config::ModelsConfig& config, std::shared_ptr<Engine> engine, Store* store,
    const Progress& progress) {
  std::shared_ptr<schedule::ResponseCache> cache;
  if (config.response_cache_bytes > 0) {
    INFERD_ASSIGN_OR_RETURN(cache, schedule::ResponseCache::create(config.response_cache_bytes));
  }
  auto repository =
      std::make_unique<FolderRepository>(config, std::move(engine), std::move(cache), store);
  INFERD_RETURN_IF_ERROR(repository->load_all(progress));
  return std::unique_ptr<DeployableRepository>(std::move(repository));
}

}  // namespace inferd::models
