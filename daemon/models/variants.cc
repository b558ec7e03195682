// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/variants.h"

#include <utility>

namespace inferd::models {
namespace {

// Where a variant was declared, and of which model.
std::string title(const config::ModelVariant& variant, const std::string& name,
                  const std::string& model) {
  return variant.mark.to_string() + ": variant '" + name + "' of model '" + model + "'";
}

Status check_serves(const Repository& repository, const config::ModelVariant& variant,
                    const std::string& name, const std::string& model) {
  if (variant.model == model)
    return invalid_argument(title(variant, name, model) + " is the model itself");
  const Status serves = repository.find(variant.model, 0).status();
  if (serves.ok()) return serves;
  return not_found(title(variant, name, model) + " is model '" + variant.model +
                   "', which does not serve: " + serves.message());
}

}  // namespace

Result<std::string> find_variant(const Repository& repository, const std::string& model,
                                 const std::string& variant) {
  INFERD_ASSIGN_OR_RETURN(const auto version, repository.find(model, 0));
  const auto& variants = version->config.variants;
  const auto declared = variants.find(variant);
  if (declared == variants.end()) {
    std::string names;
    for (const auto& [name, unused] : variants) names += (names.empty() ? "" : ", ") + name;
    return not_found("model '" + model + "' declares no variant '" + variant + "'; " +
                     (names.empty() ? "its model.yaml has no 'variants'" : "there are: " + names));
  }
  INFERD_RETURN_IF_ERROR(check_serves(repository, declared->second, variant, model));
  return declared->second.model;
}

Status check_variants(const Repository& repository) {
  std::string errors;
  for (const ModelStatus& status : repository.list()) {
    const auto version = repository.find(status.name, 0);
    if (!version.ok()) continue;
    for (const auto& [name, variant] : (*version)->config.variants) {
      const Status serves = check_serves(repository, variant, name, status.name);
      if (!serves.ok()) errors += (errors.empty() ? "" : "\n") + serves.message();
    }
  }
  return errors.empty() ? ok_status() : not_found(errors);
}

void Variants::set(std::map<std::string, std::string> variants) {
  const std::lock_guard lock(mutex_);
  variants_ = std::move(variants);
  any_.store(!variants_.empty(), std::memory_order_relaxed);
}

std::string Variants::of(const std::string& model) const {
  if (!any_.load(std::memory_order_relaxed)) return "";
  const std::lock_guard lock(mutex_);
  const auto variant = variants_.find(model);
  return variant == variants_.end() ? "" : variant->second;
}

}  // namespace inferd::models
