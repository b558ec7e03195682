// SPDX-License-Identifier: Apache-2.0
//
// The models on disk and those that serve: <root>/<model>/<version>/model.<ext>, optional
// <root>/<model>/model.yaml or, without one, config.pbtxt. Versions are positive integers; the
// largest serves unless one is named.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/asking.h"
#include "daemon/models/restraint.h"
#include "daemon/models/store/store.h"
#include "daemon/schedule/model_queue.h"
#include "daemon/schedule/sleeper.h"
#include "daemon/schedule/watched_queue.h"
#include "inferd/engine/engine.h"

namespace inferd::models {

// A loaded version. Immutable but for its queue; held by whoever uses it, so that it outlives its
// removal: requests that found it are finished.
struct ModelVersion {
  std::string name;
  int64_t version = 0;
  std::string path;                 // of the model file; empty: an ensemble
  config::ModelConfig config;       // what it was loaded with
  std::vector<std::string> labels;  // from labels.txt beside the model or model.yaml; may be empty
  std::shared_ptr<const Model> model;
  std::unique_ptr<schedule::ModelQueue> queue;
  std::shared_ptr<schedule::Sleeper> sleeper;    // in queue; null: an ensemble
  std::shared_ptr<schedule::Watching> watching;  // of queue
};

enum class ModelState {
  kLoading,   // for the first time, or again after it did not serve
  kReady,     // serves, also while another version of it is being loaded
  kFailed,    // could not be loaded, and none serves
  kUnloaded,  // served once
};

struct ModelStatus {
  std::string name;
  int64_t version = 0;  // 0: none is loaded
  ModelState state = ModelState::kLoading;
  std::string reason;  // why it does not serve, or how it does where there is something to say
};

// Thread-safe. Loading, unloading and the end of versions are the work of one thread of the
// repository's own; nobody who finds a model or gives one up waits for that.
class Repository {
 public:
  // Closes all queues and waits until nobody holds a version any more.
  virtual ~Repository() = default;

  // `version` 0: the one that `asking` gets, which is the newest but while versions change. Where
  // somebody asks, and a variant stands in for the model that takes and gives the same and keeps
  // no states, it is that (restrain()).
  // NOT_FOUND names what there is instead; UNAVAILABLE while it is loaded or when it could not be.
  virtual Result<std::shared_ptr<const ModelVersion>> find(const std::string& name, int64_t version,
                                                           const Asking& asking = {}) const = 0;
  virtual std::vector<ModelStatus> list() const = 0;  // all that ever served or were to
  // And those on disk that could be loaded. Reads folders.
  virtual std::vector<ModelStatus> index() const = 0;
  virtual bool ready() const = 0;  // all that was loaded at start; not closed

  // Called once, on the repository's thread or, when refused at once, on the caller's. Must not
  // block.
  using Done = std::function<void(const Status&)>;

  // Reads a model of the repository's folder, whether it serves already or not, and lets the new
  // version serve from then on; requests that have found the old one are finished on it. Models of
  // an ensemble that do not serve are loaded before it. When it cannot be loaded, what served
  // before goes on serving. FAILED_PRECONDITION for a version that depend() refuses,
  // INVALID_ARGUMENT for what is no name,
  // NOT_FOUND for a model without a folder, RESOURCE_EXHAUSTED when too much is to be done already,
  // UNAVAILABLE after close(), or why the model cannot be loaded.
  virtual void load(const std::string& name, Done done) = 0;

  // The model is not found any more; `done` comes when what was accepted before is answered.
  // NOT_FOUND for a model that was never loaded, FAILED_PRECONDITION for one that an ensemble or
  // whoever called depend() needs. One that does not serve any more stays as it is. `with_parts`:
  // so do the models that an ensemble is made of, and theirs, but for those that somebody else
  // needs.
  virtual void unload(const std::string& name, bool with_parts, Done done) = 0;

  // Calls `listener` whenever a model begins (true) or ceases (false) to serve, one call after the
  // other, until the handle is gone, which must be before the repository is and not within a call.
  using Listener = std::function<void(const std::string& name, bool serves)>;
  virtual std::shared_ptr<const void> listen(Listener listener) = 0;

  // Somebody depends on the model, until the handle is gone: it is not unloaded, and a new version
  // of it is refused (FAILED_PRECONDITION) unless it takes and gives the same and has labels where
  // the old one has them. `who` is for messages: "pipeline 'door'".
  virtual std::shared_ptr<const void> depend(const std::string& name, const std::string& who) = 0;

  // From now on models do without what it says; they have again what it does not say any more. What
  // runs or was accepted is finished. A variant that is not there is as if it were not named.
  virtual void restrain(const Restraint& restraint) = 0;

  virtual void close() = 0;    // loads nothing more and drains every queue
  virtual void abandon() = 0;  // refuses what waits in any queue; does not wait for what runs
};

// Of a model's requests, what a version gets that is tried out.
struct CanaryShare {
  double fraction = 0;            // of those that are not of:
  std::set<std::string> clients;  // keys of callers
};

// What deployments do to a repository.
class DeployableRepository : public Repository {
 public:
  // Loads every model that the configuration names, or all found under the root. Fails when one
  // cannot be loaded of which deployments know nothing; the message says which file and why. A
  // model of which an older version may serve in the place of the one that cannot be loaded does
  // so. `store` may be null, and outlives it. `progress` is told of each model before it is loaded.
  using Progress = std::function<void(size_t number, size_t of, const std::string& model)>;
  static Result<std::unique_ptr<DeployableRepository>> open(const config::ModelsConfig& config,
                                                            std::shared_ptr<Engine> engine,
                                                            Store* store,
                                                            const Progress& progress = {});

  // Loads a version at low priority without letting it serve; 0: the first that can be loaded of
  // those that may serve. Seconds; not from the repository's own thread. Fails as load() does.
  // `verified`: what Store::check() takes; null where nobody has looked at the files.
  virtual Result<std::shared_ptr<const ModelVersion>> prepare(const ModelAndVersion& version,
                                                              const Verified* verified) = 0;

  // Whether it takes and gives the same as what serves of its model, where that matters to
  // somebody: FAILED_PRECONDITION says to whom.
  virtual Status check_fits(const ModelVersion& version) const = 0;

  // What serves of a model, or null.
  virtual std::shared_ptr<const ModelVersion> current(const std::string& name) const = 0;

  // As Serving has them.
  virtual Status publish(const std::vector<std::shared_ptr<const ModelVersion>>& versions) = 0;
  virtual int64_t release(const std::string& name, bool all) = 0;
  virtual void try_out(const std::string& name, std::shared_ptr<const ModelVersion> candidate,
                       CanaryShare share) = 0;

  // Versions in memory: nothing removes them from the disk.
  virtual std::set<ModelAndVersion> in_memory() const = 0;
};

}  // namespace inferd::models
