// SPDX-License-Identifier: Apache-2.0
//
// The models on disk and those that serve: <root>/<model>/<version>/model.<ext>, optional
// <root>/<model>/model.yaml. Versions are positive integers; the largest serves unless one is
// named.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/schedule/model_queue.h"
#include "inferd/engine/engine.h"

namespace inferd::models {

// A loaded version. Immutable but for its queue; held by whoever uses it, so that it outlives its
// removal.
struct ModelVersion {
  std::string name;
  int64_t version = 0;
  std::string path;                 // of the model file
  std::vector<std::string> labels;  // from labels.txt beside the model or model.yaml; may be empty
  std::shared_ptr<const Model> model;
  std::unique_ptr<schedule::ModelQueue> queue;
};

enum class ModelState { kLoading, kReady, kFailed };

struct ModelStatus {
  std::string name;
  int64_t version = 0;
  ModelState state = ModelState::kLoading;
  std::string reason;  // why it failed
};

// Thread-safe.
class Repository {
 public:
  // Loads every model that the configuration names, or all found under the root. Fails when one
  // that is named cannot be loaded; the message says which file and why.
  static Result<std::unique_ptr<Repository>> open(const config::ModelsConfig& config,
                                                  std::shared_ptr<Engine> engine);
  virtual ~Repository() = default;  // closes all queues

  // `version` 0: the newest. NOT_FOUND names what there is instead.
  virtual Result<std::shared_ptr<const ModelVersion>> find(const std::string& name,
                                                           int64_t version) const = 0;
  virtual std::vector<ModelStatus> list() const = 0;
  virtual bool ready() const = 0;  // all configured models serve
  virtual void close() = 0;        // drains every queue
  virtual void abandon() = 0;      // refuses what waits in any queue; does not wait for what runs
};

}  // namespace inferd::models
