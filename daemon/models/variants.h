// SPDX-License-Identifier: Apache-2.0
//
// Cheaper models in the place of others, as `variants` of a model.yaml declares them.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "daemon/models/repository.h"

namespace inferd::models {

// The model that a variant of what serves under `model` is, which serves, too. NOT_FOUND says what
// there is instead, and where it was declared.
Result<std::string> find_variant(const Repository& repository, const std::string& model,
                                 const std::string& variant);

// OK, or which variants of the models that serve name a model that does not, one per line.
Status check_variants(const Repository& repository);

// Which models stand in for others at this moment. Thread-safe; costs a request one load while none
// does.
class Variants {
 public:
  void set(std::map<std::string, std::string> variants);
  // Empty: none.
  std::string of(const std::string& model) const;

 private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  std::map<std::string, std::string> variants_;  // by mutex_
};

}  // namespace inferd::models
