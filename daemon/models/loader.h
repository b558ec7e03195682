// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/ensemble_queue.h"
#include "daemon/models/repository.h"
#include "daemon/models/residency.h"
#include "daemon/models/steady_file.h"
#include "daemon/schedule/response_cache.h"
#include "daemon/schedule/shedding_queue.h"
#include "inferd/engine/engine.h"

namespace inferd::models {

// From a model's folder on disk to a version that can serve. Immutable; any thread.
class Loader {
 public:
  // `cache` is null where no answers are kept. Borrows `residency`.
  Loader(const config::ModelsConfig& config, std::shared_ptr<Engine> engine,
         std::shared_ptr<schedule::ResponseCache> cache, Residency& residency)
      : config_(config),
        engine_(std::move(engine)),
        cache_(std::move(cache)),
        residency_(residency),
        arbiter_(std::make_shared<schedule::Arbiter>(engine_->threads())) {}

  // The models that the configuration names, or all found under the root. NOT_FOUND when that is
  // no folder.
  Result<std::vector<config::ModelConfig>> wanted_at_start() const;

  // As Repository's restrain() has them.
  void limit_threads(int threads) const;
  void shed(int priority, const std::string& why) const { shedding_->set(priority, why); }

  // Names of what looks like a model in the repository's folder.
  std::vector<std::string> on_disk() const;

  // What the configuration says of a model that somebody asks for. INVALID_ARGUMENT for what is no
  // name of a model (a path, say), NOT_FOUND when the repository has no folder of that name.
  Result<config::ModelConfig> find(const std::string& name) const;

  // `wanted` with what the model's own files say where it says nothing; `version` 0: those of no
  // version. A version may bring its own model.yaml, in its folder, in the place of the model's.
  Result<config::ModelConfig> configure(const config::ModelConfig& wanted, int64_t version) const;

  // Versions in the model's folder, the newest first. NOT_FOUND where there is none.
  Result<std::vector<int64_t>> versions(const std::string& name) const;

  enum class When {
    // One that need not be in memory is put aside where it would not fit, or is loaded on demand.
    kAtStart,
    // Most of the work is done at low priority; what is not used makes room for it.
    kLater,
  };
  // Reads a version (0: of an ensemble that has none), plans it and starts its queue: seconds. The
  // models of an ensemble are those that `find` finds. Errors say which file and why; UNAVAILABLE
  // for a file that is being written, RESOURCE_EXHAUSTED where there is no memory for it.
  Result<std::unique_ptr<ModelVersion>> load(const config::ModelConfig& configured, int64_t version,
                                             When when, const FindModel& find) const;

 private:
  Status load_file(ModelVersion& version, When when) const;
  // Whether a version is to be in memory at once, and the room for it meanwhile.
  struct Place {
    Residency::Terms terms;
    Residency::Room room = Residency::Room::kLeft;
    bool awake = true;
    Residency::Reservation reservation;
  };
  Result<Place> find_place(const ModelVersion& version, When when) const;
  struct Read {
    FileMark file;
    MemoryUse memory;  // of one instance
  };
  Result<Read> read_model(ModelVersion& version) const;
  Status make_queue(ModelVersion& version, const Read& read, Place place) const;
  Status make_ensemble(ModelVersion& version, const FindModel& find) const;

  const config::ModelsConfig config_;
  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<schedule::ResponseCache> cache_;
  Residency& residency_;
  // Of all models: as many runs at one time as the engine has threads.
  const std::shared_ptr<schedule::Arbiter> arbiter_;
  const std::shared_ptr<schedule::Shedding> shedding_ = std::make_shared<schedule::Shedding>();
};

}  // namespace inferd::models
